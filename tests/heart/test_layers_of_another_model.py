"""Layers that another model published: whose word counts, what is fetched and sent, and what stays as it is."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysequoia
import pytest
from support import plain
from support.elf import library
from support.wheels import make_wheel
from support.world import MANIFEST, Done, Project, Template, World, noise, ok

from cogpack.registry.server import Server

pytestmark = pytest.mark.slow

HOME = "team/layers"
LAYER = "wheels: torch 2.6.0"
TORCH = noise(4_100_000)
SIGNED = "from: HOME, keys: [team.asc]"
SITE = "opt/venv/lib/python/site-packages"


class Team:
    """Two users' models with one large wheel, a repository for both, and a key. The first is pushed and published, the
    second locked. Its machine is empty."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.home = f"{world.registry}/{HOME}"
        self.key = pysequoia.Tsk.generate("Team <team@example.org>")
        self.fingerprint = self.key.extract_certificate().fingerprint
        secret = world.directory / "secret.asc"
        secret.write_text(str(self.key))
        self.signing = {"COGPACK_SIGNING_KEY_FILE": str(secret)}
        make_wheel(world.wheels, "torch", "2.6.0", files={"torch.txt": TORCH})
        make_wheel(world.wheels, "mine", files={"mine.py": b"ONE = 1\n"})
        make_wheel(world.wheels, "yours", files={"yours.py": b"TWO = 2\n"})
        first = self.model("first", "torch\nmine\n", f"publish: {self.home}, keys: [team.asc]")
        self.published = ok(first.cogpack("push", "--publish-layers", "--json", first.target(), **self.signing)).json
        second = self.model("second", "torch\nyours\n", f"from: {self.home}")
        ok(second.cogpack("lock"))
        self._lock = (second.root / "cogpack.lock").read_bytes()
        shutil.copytree(world.directory / "registry", world.directory / "kept")

    def model(self, name: str, requirements: str, shared: str) -> Project:
        files = {"team.asc": str(self.key.extract_certificate()), ".dockerignore": "team.asc\n"}
        config = f"  shared_layers: {{{shared}}}\n"
        return self.world.project(name, files, config=config, requirements=requirements)

    def begin(self) -> "Team":
        """As it was at first, with an empty machine."""
        for name in ("registry", "second", "cache", "home/.local"):
            shutil.rmtree(self.world.directory / name, ignore_errors=True)
        shutil.copytree(self.world.directory / "kept", self.world.directory / "registry")
        self.world.requests.clear()
        return self

    def second(self, shared: str) -> Project:
        project = self.model("second", "torch\nyours\n", shared.replace("HOME", self.home))
        project.write("cogpack.lock", self._lock)
        return project

    def offers(self) -> dict[str, dict[str, Any]]:
        """The manifests in the repository by their tags."""
        answer = plain.get(f"http://{self.world.registry}/v2/{HOME}/tags/list")
        tags = answer.json()["tags"] if answer.status_code == 200 else []
        return {tag: self.world.manifest(HOME, tag) for tag in tags}

    @property
    def torch_tag(self) -> str:
        (key,) = (layer["key"] for layer in self.published["layers"] if layer["name"] == LAYER)
        return f"layer-v1-{key[7:]}"

    def torch(self) -> tuple[str, dict[str, Any]]:
        """The tag and the manifest of the offer of the large wheel's layer."""
        return self.torch_tag, self.offers()[self.torch_tag]

    def put(self, tag: str, manifest: dict[str, Any]) -> None:
        url = f"http://{self.world.registry}/v2/{HOME}/manifests/{tag}"
        answer = plain.put(url, content=json.dumps(manifest).encode(), headers={"Content-Type": MANIFEST})
        assert answer.status_code == 201, answer.text

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """A blob of the repository, and its descriptor."""
        base = f"http://{self.world.registry}/v2/{HOME}/blobs/uploads/"
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        answer = plain.post(f"{base}?digest={digest}", content=data)
        assert answer.status_code == 201, answer.text
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


@pytest.fixture(scope="module")
def _team(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with template.world(tmp_path_factory.mktemp("team")) as world:
        yield Team(world)


@pytest.fixture
def team(_team: Team) -> Team:
    return _team.begin()


def vouched(done: Done) -> str:
    """By whose word the large wheel's layer was used unread."""
    (found,) = (layer["vouched"] for layer in done.json["layers"] if layer["name"] == LAYER)
    return str(found)


def recorded(project: Project) -> str:
    return (project.root / "cogpack.lock").read_text().partition("[results]")[2]


def test_a_second_models_first_push_sends_no_byte_of_a_shared_layer_and_fetches_no_wheel_of_it(team: Team) -> None:
    assert LAYER in team.published["published"]
    assert "project" not in team.published["published"]
    project = team.second(SIGNED)
    done = ok(project.cogpack("push", "--json", project.target()))
    assert done.json["sent"] < 20_000
    assert vouched(done) == f"{team.home}, signed by {team.fingerprint}"
    assert team.world.files("me/second", "v1")[f"{SITE}/torch.txt"] == TORCH
    assert not large_in_the_cache(team)
    assert LAYER in recorded(project)
    team.world.requests.clear()
    ok(project.cogpack("push", project.target("v2")))
    assert not [path for _, path in team.world.requests if HOME in path]


def test_a_repository_alone_is_believed_where_cog_yaml_says_so_with_a_note_and_nothing_is_recorded(team: Team) -> None:
    project = team.second("from: HOME, trust: repository")
    done = ok(project.cogpack("push", "-q", "--json", project.target()))
    assert vouched(done) == team.home
    assert f"{team.home} alone says what these layers come out as: " in done.err
    assert LAYER not in recorded(project)
    (digest,) = (layer["digest"] for layer in done.json["layers"] if layer["name"] == LAYER)
    facts = (team.world.directory / "cache" / "facts").rglob("*.fact")
    assert not [path for path in facts if digest.encode() in path.read_bytes()]


def test_a_plan_says_whose_word_it_takes_and_takes_no_more(team: Team) -> None:
    project = team.second(SIGNED)
    shown = ok(project.cogpack("plan", project.target()))
    (line,) = (line for line in shown.out.splitlines() if LAYER in line)
    assert line.startswith("mounts")
    assert line.endswith(f"{LAYER} (by {team.home}, signed by {team.fingerprint})")
    project = team.second("from: HOME")
    shown = ok(project.cogpack("plan", project.target()))
    (line,) = (line for line in shown.out.splitlines() if LAYER in line)
    assert line.endswith(LAYER)
    assert "no key that cog.yaml names has signed it" in shown.err


def planted(team: Team, how: str) -> None:
    """An offer that another writes in the place of the large wheel's."""
    tag, manifest = team.torch()
    layer, contents = manifest["layers"]
    if how == "another layer":
        evil = team.blob(gzip.compress(b"\0" * 10240), layer["mediaType"])
        manifest["layers"] = [layer | evil, contents]
    elif how == "no diff ID":
        del layer["annotations"]["dev.cogpack.layer.diff-id"]
    elif how == "no signature":
        del manifest["annotations"]
    team.put(tag, manifest)


@pytest.mark.parametrize("how", ["another layer", "no diff ID", "no signature"])
def test_a_planted_offer_counts_for_nothing_where_a_key_must_have_signed_it(team: Team, how: str) -> None:
    planted(team, how)
    project = team.second(SIGNED)
    done = ok(project.cogpack("push", "--json", project.target()))
    assert vouched(done) == ""
    assert f"{LAYER} is made here: " in done.err
    assert team.world.files("me/second", "v1")[f"{SITE}/torch.txt"] == TORCH


def test_a_planted_offer_changes_nothing_of_what_the_lock_says(team: Team) -> None:
    project = team.second(SIGNED)
    first = ok(project.cogpack("push", project.target()))
    lock = (project.root / "cogpack.lock").read_bytes()
    team.begin()
    planted(team, "another layer")
    project = team.second(SIGNED)
    project.write("cogpack.lock", lock)
    done = ok(project.cogpack("push", "--json", project.target()))
    assert done.json["digest"] == first.digest
    assert vouched(done) == "cogpack.lock"
    assert done.json["sent"] < 20_000


def test_an_offer_whose_blob_is_gone_is_none(team: Team) -> None:
    _, manifest = team.torch()
    digest = manifest["layers"][0]["digest"]
    for path in (team.world.directory / "registry").rglob(f"*{digest[7:]}*"):
        if path.is_file():
            path.unlink()
    project = team.second(SIGNED)
    done = ok(project.cogpack("push", "--json", project.target()))
    assert vouched(done) == ""
    assert "the blob that it offers is not there" in done.err


def test_a_repository_that_is_away_holds_nothing_up(team: Team) -> None:
    project = team.second("from: 127.0.0.1:9/team/layers, keys: [team.asc]")
    done = ok(project.cogpack("push", "--json", project.target()))
    assert done.err.count("127.0.0.1:9/team/layers: ") == 1
    assert vouched(done) == ""


def test_a_repository_that_is_away_is_told_once_of_all_that_is_not_published(team: Team) -> None:
    project = team.second("publish: 127.0.0.1:9/team/layers, keys: [team.asc]")
    done = ok(project.cogpack("push", "--publish-layers", "--json", project.target(), **team.signing))
    (line,) = (line for line in done.err.splitlines() if "not published" in line)
    assert " and what follows: " in line
    assert done.json["published"] == []


def test_a_depot_stands_for_the_repository_too(team: Team) -> None:
    project = team.second(SIGNED)
    ok(project.cogpack("fetch", "-o", "../depot"))
    team.world.requests.clear()
    done = ok(project.cogpack("push", "--offline", "../depot", "--json", project.target()))
    assert vouched(done) == ""
    assert not [path for _, path in team.world.requests if HOME in path]
    shutil.rmtree(team.world.directory / "depot")


def test_a_layer_comes_from_another_registry_where_it_is_published(team: Team, tmp_path: Path) -> None:
    project = team.second(SIGNED)
    with Server(tmp_path / "other") as other:
        done = ok(project.cogpack("push", "--json", f"{other.address}/me/second:v1"))
    assert done.json["copied"] > len(TORCH)
    assert done.json["sent"] < done.json["copied"] + 20_000


def test_libraries_that_a_signed_offer_tells_of_are_not_fetched_to_make_the_cache_of_them(team: Team) -> None:
    """Both models have a large wheel of CUDA; the second has another small one, too, and so a cache of its own."""
    names = {"cufft": 4_100_000, "curand": 1}
    for name, size in names.items():
        files = {f"nvidia/{name}/lib/lib{name}.so.1": library(f"lib{name}.so.1"), f"{name}.bin": noise(size)}
        make_wheel(team.world.wheels, f"nvidia-{name}-cu12", files=files, tag="py3-none-manylinux_2_17_x86_64")
    first = team.model("first", "nvidia-cufft-cu12\n", f"publish: {team.home}, keys: [team.asc]")
    ok(first.cogpack("push", "--publish-layers", first.target(), **team.signing))
    second = team.model("both", "nvidia-cufft-cu12\nnvidia-curand-cu12\n", f"from: {team.home}, keys: [team.asc]")
    ok(second.cogpack("lock"))
    for name in ("cache", "home/.local"):
        shutil.rmtree(team.world.directory / name, ignore_errors=True)
    done = ok(second.cogpack("push", "--json", second.target()))
    assert "library cache" in {layer["name"] for layer in done.json["layers"]}
    cache = team.world.files("me/both", "v1")["etc/ld.so.cache"]
    assert isinstance(cache, bytes)
    assert b"libcufft.so.1" in cache
    assert b"libcurand.so.1" in cache
    assert not large_in_the_cache(team)


def large_in_the_cache(team: Team) -> list[Path]:
    return [path for path in (team.world.directory / "cache").rglob("*") if path.stat().st_size > 1_000_000]


def test_a_layout_is_built_of_blobs_that_are_published_and_no_wheel_of_them_is_fetched(team: Team) -> None:
    project = team.second(SIGNED)
    done = ok(project.cogpack("build", "-o", "../built", "--json"))
    assert not large_in_the_cache(team)
    (layer,) = (layer for layer in done.json["layers"] if layer["name"] == LAYER)
    blob = team.world.directory / "built/blobs" / layer["digest"].replace(":", "/")
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == layer["digest"][7:]
    assert LAYER in recorded(project)
    shutil.rmtree(team.world.directory / "built")
    team.begin()
    again = ok(team.second(SIGNED).cogpack("build", "-o", "../built", "--rebuild", "--json"))
    assert again.digest == done.digest
    assert large_in_the_cache(team)
    assert not [path for _, path in team.world.requests if HOME in path], "--rebuild asks nobody"
    shutil.rmtree(team.world.directory / "built")


def test_a_blob_that_is_lost_on_its_way_into_a_layout_is_made(team: Team) -> None:
    _, manifest = team.torch()
    digest = manifest["layers"][0]["digest"]
    for path in (team.world.directory / "registry").rglob(f"*{digest[7:]}*"):
        if path.is_file():  # as long, so that the registry says that it is there
            path.write_bytes(bytes(path.stat().st_size))
    done = ok(team.second(SIGNED).cogpack("build", "-o", "../built", "--json"))
    assert f"{LAYER}: {team.home} does not give it (" in done.err
    blob = team.world.directory / "built/blobs" / digest.replace(":", "/")
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == digest[7:]
    shutil.rmtree(team.world.directory / "built")


def test_an_archive_is_made_here(team: Team) -> None:
    done = ok(team.second(SIGNED).cogpack("build", "-o", "../image.tar", "--json"))
    assert large_in_the_cache(team)
    assert done.json["layers"]
    assert not [path for _, path in team.world.requests if HOME in path]


def test_another_digest_under_a_key_stays_and_who_comes_second_is_told(team: Team) -> None:
    planted(team, "another layer")
    tag, before = team.torch_tag, team.offers()
    project = team.second("publish: HOME, keys: [team.asc]")
    done = ok(project.cogpack("push", "--publish-layers", "--json", project.target(), **team.signing))
    assert team.offers()[tag] == before[tag]
    assert LAYER not in done.json["published"]
    assert f"{LAYER} is not published: {team.home}:{tag} is " in done.err


def test_what_is_published_again_asks_and_writes_nothing(team: Team) -> None:
    before = team.offers()
    project = team.second("publish: HOME, keys: [team.asc]")
    ok(project.cogpack("push", "--publish-layers", project.target(), **team.signing))
    team.world.requests.clear()
    done = ok(project.cogpack("push", "--publish-layers", "--json", project.target(), **team.signing))
    assert done.json["published"] == []
    assert {method for method, path in team.world.requests if HOME in path} == {"GET", "HEAD"}
    assert team.offers().items() >= before.items()


@pytest.mark.parametrize(
    ("shared", "signing", "said"),
    [
        ("from: HOME", False, "cog.yaml names no repository for it"),
        ("publish: HOME, keys: [team.asc]", False, "COGPACK_SIGNING_KEY_FILE is none of them"),
        ("publish: HOME, keys: [gone.asc]", True, "gone.asc: No such file or directory"),
        ("publish: HOME, keys: [predict.py]", True, "predict.py: is no OpenPGP certificate"),
    ],
)
def test_what_can_not_be_published_is_told_before_anything_moves(
    team: Team, shared: str, signing: bool, said: str
) -> None:
    project = team.second(shared)
    more = team.signing if signing else {}
    done = project.cogpack("push", "--publish-layers", project.target(), **more)
    assert done.code == 2
    assert said in done.err
    assert team.world.uploads() == []
