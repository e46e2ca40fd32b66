"""Wheels that were built are found again wherever the image went: nobody builds them twice without need."""

import hashlib
import io
import shutil
import tarfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import building, plain
from support.building import FakeBuilder
from support.fake_http import serving
from support.git_server import git_server
from support.wheels import make_wheel
from support.world import Project, World, ok

from cogpack.errors import InputError
from cogpack.images.registry import RegistryImages
from cogpack.layers.wheels.venv import SITE
from cogpack.locking.wheels.building import Built, Ground, Source
from cogpack.planning import built_wheels


class Workshop:
    """Stands for who builds on this machine. `modules`: what each wheel has, `open`: whether it builds at all."""

    def __init__(self) -> None:
        self.open = True
        self.built: list[str] = []
        self.text: bytes | None = None


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop()

    def told(sources: Sequence[Source], _ground: Ground) -> None:
        if not shop.open:
            raise InputError("no rung is here", next_step="have one")
        shop.built += [source.title for source in sources]

    building.install(monkeypatch, told)
    return shop


def source(directory: Path, name: str, version: str, text: str) -> None:
    """Write a source archive of one module."""
    files = {
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = ["plain"]\n',
        f"{name}.py": text,
    }
    with tarfile.open(directory / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))


@pytest.fixture
def project(world: World, workshop: Workshop) -> Project:
    source(world.wheels, "old", "1.0", "ONE = 1\n")
    make_wheel(world.wheels, "plain", "1.0")
    return world.project(requirements="old\nplain<2\n")


def builds(project: Project) -> object:
    return tomllib.loads((project.root / "cogpack.lock").read_text())["platforms"]["linux/amd64"]["builds"]


def other_machine(project: Project) -> None:
    shutil.rmtree(project.world.directory / "cache")


def test_a_built_wheel_is_in_a_layer_of_its_own_and_beside_the_image(project: Project, workshop: Workshop) -> None:
    pushed = ok(project.cogpack("push", project.target()))
    assert workshop.built == ["old 1.0"]
    world = project.world
    files = world.files("me/model", "v1")
    assert files[f"{SITE}/old.py"] == b"ONE = 1\n"
    planned = ok(project.cogpack("plan", "--json"))
    assert "wheels: old 1.0" in [layer["name"] for layer in planned.json["layers"]]
    assert planned.json["built"] == [{"wheel": "old 1.0", "source": "old-1.0.tar.gz"}]
    assert "old 1.0 is built of old-1.0.tar.gz" in ok(project.cogpack("plan")).err
    for verb in ("inspect", "verify"):
        done = ok(project.cogpack(verb, project.target()))
        assert "old 1.0 is built of old-1.0.tar.gz" in done.out + done.err, verb
    layers = ok(project.cogpack("inspect", "--json", project.target())).json["layers"]
    assert [(layer["name"], layer["built"]) for layer in layers if layer["built"]] == [
        ("wheels: old 1.0", planned.json["built"])
    ]
    listed = plain.get(f"http://{world.registry}/v2/me/model/referrers/{pushed.digest}").json()["manifests"]
    (listed,) = [entry for entry in listed if entry["artifactType"] == built_wheels.ARTIFACT]
    (wheel,) = world.manifest("me/model", listed["digest"])["layers"]
    assert wheel["annotations"]["org.opencontainers.image.title"] == "old-1.0-py3-none-any.whl"
    world.requests.clear()
    ok(project.cogpack("push", project.target()))
    assert not [path for method, path in world.requests if method in ("PUT", "POST", "PATCH")]


def test_the_built_wheels_of_one_layer_are_told_together_and_of_no_other_lock(
    project: Project, workshop: Workshop
) -> None:
    source(project.world.wheels, "older", "1.0", "ONE = 1\n")
    project.write("requirements.txt", "--no-index\nold\nolder\nplain<2\n")
    ok(project.cogpack("push", project.target()))

    def told() -> dict[str, list[str]]:
        layers = ok(project.cogpack("inspect", "--json", project.target())).json["layers"]
        return {layer["name"]: [one["source"] for one in layer["built"]] for layer in layers if layer["built"]}

    assert told() == {"wheels: 2 built ones": ["old-1.0.tar.gz", "older-1.0.tar.gz"]}
    source(project.world.wheels, "older", "2.0", "TWO = 2\n")
    ok(project.cogpack("lock", "-P", "older"))
    assert told() == {}


def test_a_registry_that_takes_no_artifact_has_the_image_and_a_note_says_so(
    project: Project, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("PUT: 400 MANIFEST_INVALID", next_step="use another registry")

    monkeypatch.setattr(RegistryImages, "put_referrer", refuse)
    done = ok(project.cogpack("push", project.target()))
    assert "the wheels that were built are not left beside the image: PUT: 400 MANIFEST_INVALID" in done.err
    assert project.world.has("me/model", "v1")


def test_an_empty_machine_that_builds_nothing_pushes_with_another_dependency_bumped(
    project: Project, workshop: Workshop
) -> None:
    ok(project.cogpack("push", project.target()))
    before = builds(project)
    make_wheel(project.world.wheels, "plain", "2.0")
    source(project.world.wheels, "old", "2.0", "TWO = 2\n")
    project.write("requirements.txt", "--no-index\nold\nplain>=2\n")
    other_machine(project)
    workshop.open = False
    ok(project.cogpack("push", project.target()))
    assert builds(project) == before
    assert workshop.built == ["old 1.0"]


def test_who_has_neither_wheel_nor_registry_builds_it_of_what_the_lock_pins(
    project: Project, workshop: Workshop
) -> None:
    assert "built    old 1.0 of old-1.0.tar.gz" in ok(project.cogpack("lock")).err
    assert "built  " not in ok(project.cogpack("lock")).err  # nothing new
    other_machine(project)
    source(project.world.wheels, "old", "2.0", "TWO = 2\n")
    ok(project.cogpack("build", "-o", "../layout"))
    assert workshop.built == ["old 1.0", "old 1.0"]


def test_a_build_that_comes_out_otherwise_is_exit_3_and_names_the_files(
    project: Project, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(project.cogpack("lock"))
    other_machine(project)
    build = FakeBuilder._build

    def otherwise(self: FakeBuilder, made: Source) -> Built | InputError:
        found = build(self, made)
        assert isinstance(found, Built)
        path = make_wheel(project.world.directory / "otherwise", "old", files={"old.py": b"NOW = 'today'\n"})
        artifact = self.store.take(path.name, [path.read_bytes()])
        place = self.store.verified(artifact, tuple)[0]
        sha256 = hashlib.sha256(place.read_bytes()).hexdigest()
        return Built(filename=found.filename, path=place, sha256=sha256, size=place.stat().st_size)

    monkeypatch.setattr(FakeBuilder, "_build", otherwise)
    done = project.cogpack("build", "-o", "../layout")
    assert done.code == 3, done.err
    assert "old.py" in done.err
    assert "cogpack lock -P old" in done.err


def test_a_depot_has_the_wheel_and_its_source_and_nothing_is_built_of_it(project: Project, workshop: Workshop) -> None:
    files = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json["files"]
    sdist = hashlib.sha256((project.world.wheels / "old-1.0.tar.gz").read_bytes()).hexdigest()
    assert {file["what"]: file["digest"] for file in files}["source of old"] == f"sha256:{sdist}"
    other_machine(project)
    shutil.rmtree(project.world.wheels)
    workshop.open = False
    ok(project.cogpack("build", "-o", "../layout", "--offline", "../depot"))


@pytest.mark.slow
def test_a_depot_has_the_commit_and_the_archive_that_requirements_name(project: Project, workshop: Workshop) -> None:
    world = project.world
    source(world.directory, "far", "1.0", "FAR = 1\n")
    archive = (world.directory / "far-1.0.tar.gz").read_bytes()
    with git_server(world.directory / "served") as server, serving(lambda _: (200, {}, archive)) as web:
        text = b'[project]\nname = "repo"\nversion = "1.0"\n'
        commit = server.commit("repo", {"pyproject.toml": text, "repo.py": b""})
        lines = f"repo @ git+{server.address}/repo\nfar @ {web.url}/far-1.0.tar.gz\nplain<2\n"
        project.write("requirements.txt", f"--no-index\n{lines}")
        files = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json["files"]
    assert {file["what"] for file in files} >= {f"source: git+{server.address}/repo@{commit}", "far-1.0.tar.gz"}
    digests = {file["digest"] for file in files}
    assert f"sha256:{hashlib.sha256(archive).hexdigest()}" in digests
    workshop.open = False
    other_machine(project)
    ok(project.cogpack("build", "-o", "../layout", "--offline", "../depot"))


@pytest.mark.slow
def test_a_source_that_is_gone_is_told_and_the_depot_is_whole_without_it(project: Project, workshop: Workshop) -> None:
    ok(project.cogpack("push", project.target()))
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", f"image: {project.target()}\n{config}")
    (project.world.wheels / "old-1.0.tar.gz").unlink()
    other_machine(project)
    told = ok(project.cogpack("fetch", "-o", "../depot")).err
    assert "without the source of a wheel that is here: old-1.0.tar.gz" in told
    workshop.open = False
    other_machine(project)
    ok(project.cogpack("build", "-o", "../layout", "--offline", "../depot"))
