"""Whose word counts: what others laid into the cache or under the tag gets into no image, or into no record."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import plain
from support.wheels import make_wheel
from support.world import MANIFEST, Project, World, ok

from cogpack import toml

pytestmark = pytest.mark.slow

SITE = "opt/venv/lib/python/site-packages"


@pytest.fixture
def project(world: World) -> Project:
    make_wheel(world.wheels, "thing", "1", files={"thing.py": b"# good\n"})
    return world.project(requirements="thing\n")


def forget(project: Project, *, facts: bool = True) -> None:
    """What layers came out as: as if the lock were fresh and the cache another machine's."""
    lock = project.root / "cogpack.lock"
    lock.write_text(lock.read_text().partition("[results]")[0])
    if facts:
        shutil.rmtree(project.world.directory / "cache" / "facts")


def cached_wheel(world: World, name: str) -> Path:
    (wheel,) = world.wheels.glob(f"{name}-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return world.directory / "cache" / "artifacts" / "sha256" / digest[:2] / digest


def other_wheel(good: Path) -> bytes:
    """As `good`, of the same size, sound by its own directory, with another line of code."""
    out = io.BytesIO()
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry).replace(b"# good", b"# EVIL"))
    data = out.getvalue()
    assert len(data) == good.stat().st_size
    assert data != good.read_bytes()
    return data


@pytest.mark.parametrize("option", ["--locked", "--paranoid", "--rebuild"])
@pytest.mark.parametrize("how", ["written", "renamed"])
def test_a_wheel_that_was_replaced_in_the_cache_gets_into_no_image(project: Project, option: str, how: str) -> None:
    world = project.world
    first = ok(project.cogpack("push", project.target("one")))
    path = cached_wheel(world, "thing")
    evil = other_wheel(path)
    if how == "renamed":
        path.unlink()
    path.write_bytes(evil)
    forget(project)
    lock = (project.root / "cogpack.lock").read_bytes()
    done = project.cogpack("push", option, "--no-tag-cache", project.target("two"))
    assert done.code == 3, done.err
    assert f"error: {path}: this file of the cache is not thing-1-py3-none-any.whl any more" in done.err
    assert f"next: it is set aside as {path}.replaced; run it again to fetch it anew" in done.err
    assert not world.has("me/model", "two")
    assert (project.root / "cogpack.lock").read_bytes() == lock
    again = ok(project.cogpack("push", project.target("two")))
    assert again.digest == first.digest
    assert world.files("me/model", "two")[f"{SITE}/thing.py"] == b"# good\n"


def test_a_link_in_the_place_of_a_cached_wheel_is_not_followed(project: Project) -> None:
    world = project.world
    first = ok(project.cogpack("push", project.target("one")))
    path = cached_wheel(world, "thing")
    evil = world.directory / "evil"
    evil.write_bytes(other_wheel(path))
    path.unlink()
    path.symlink_to(evil)
    forget(project)
    assert ok(project.cogpack("push", project.target("two"))).digest == first.digest
    assert other_wheel(path) == evil.read_bytes()
    assert not path.is_symlink()


def test_a_lock_compares_no_wheel_that_was_replaced_in_the_cache(project: Project) -> None:
    ok(project.cogpack("push", project.target("one")))
    path = cached_wheel(project.world, "thing")
    path.write_bytes(other_wheel(path))
    (project.root / "cogpack.lock").unlink()
    done = project.cogpack("lock")
    assert done.code == 3, done.err
    assert f"error: {path}: this file of the cache is not thing-1-py3-none-any.whl any more" in done.err
    assert not (project.root / "cogpack.lock").exists()
    ok(project.cogpack("lock"))


def evil_layer(world: World, repository: str) -> dict[str, Any]:
    """A layer that is in the registry, with another `thing.py`; its descriptor and diff ID."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(f"{SITE}/thing.py")
        entry.size = 7
        archive.addfile(entry, io.BytesIO(b"# EVIL\n"))
    blob = gzip.compress(out.getvalue(), mtime=0)
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    base = f"http://{world.registry}"
    location = base + plain.post(f"{base}/v2/{repository}/blobs/uploads/").headers["Location"]
    assert plain.put(location, params={"digest": digest}, content=blob).status_code == 201
    return {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": digest,
        "size": len(blob),
        "diff_id": "sha256:" + hashlib.sha256(out.getvalue()).hexdigest(),
    }


def poison(world: World, repository: str, tag: str) -> str:
    """Move the tag to an image whose layer of wheels is another one under the right key; that layer's digest."""
    base = f"http://{world.registry}/v2/{repository}"
    manifest = world.manifest(repository, tag)
    config = plain.get(f"{base}/blobs/{manifest['config']['digest']}").json()
    evil = evil_layer(world, repository)
    (index,) = [
        index
        for index, layer in enumerate(manifest["layers"])
        if b"/thing.py" in gzip.decompress(plain.get(f"{base}/blobs/{layer['digest']}").content)
    ]
    config["rootfs"]["diff_ids"][index] = evil.pop("diff_id")
    manifest["layers"][index] |= evil
    data = json.dumps(config).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    location = f"http://{world.registry}" + plain.post(f"{base}/blobs/uploads/").headers["Location"]
    assert plain.put(location, params={"digest": digest}, content=data).status_code == 201
    manifest["config"] |= {"digest": digest, "size": len(data)}
    answer = plain.put(f"{base}/manifests/{tag}", content=json.dumps(manifest), headers={"Content-Type": MANIFEST})
    assert answer.status_code == 201, answer.text
    return str(evil["digest"])


@pytest.fixture
def poisoned(project: Project) -> str:
    """A tag that lies, a fresh lock, no facts: the digest of the layer that the tag tells of."""
    ok(project.cogpack("push", project.target()))
    evil = poison(project.world, "me/model", "v1")
    forget(project)
    return evil


def remembered(project: Project) -> bytes:
    """All that is written down of layers, here and in the cache."""
    cache = project.world.directory / "cache"
    found = [path.read_bytes() for path in cache.rglob("*") if path.is_file() and "artifacts" not in path.parts]
    return b"".join([(project.root / "cogpack.lock").read_bytes(), *found])


@pytest.mark.parametrize("options", [(), ("--quiet",), ("--locked",), ("--json",)])
def test_what_only_a_tag_says_is_used_with_a_note_and_written_down_nowhere(
    project: Project, poisoned: str, options: tuple[str, ...]
) -> None:
    done = ok(project.cogpack("push", *options, project.target()))
    assert f"the tag {project.target()} alone says what these layers come out as: venv" in done.err
    assert "wheels: 4 small ones; --no-tag-cache" in done.err
    assert "--no-tag-cache" in done.err
    assert poisoned.removeprefix("sha256:").encode() not in remembered(project)


def test_a_second_push_that_finds_its_own_image_writes_down_no_more(project: Project, poisoned: str) -> None:
    for _ in range(2):
        ok(project.cogpack("push", project.target()))
    assert poisoned.removeprefix("sha256:").encode() not in remembered(project)


def test_without_the_tags_word_layers_are_made_here(project: Project, poisoned: str) -> None:
    done = ok(project.cogpack("push", "--no-tag-cache", project.target()))
    assert "alone says" not in done.err
    assert poisoned not in json.dumps(project.world.manifest("me/model", "v1"))
    assert project.world.files("me/model", "v1")[f"{SITE}/thing.py"] == b"# good\n"
    assert "wheels" in (project.root / "cogpack.lock").read_text().partition("[results]")[2]


def test_without_the_tags_word_what_the_target_has_is_still_not_sent(project: Project) -> None:
    ok(project.cogpack("push", project.target()))
    forget(project)
    project.world.requests.clear()
    ok(project.cogpack("push", "--no-tag-cache", project.target()))
    assert project.world.uploads() == []


@pytest.mark.parametrize("verb", [("plan",), ("push", "--dry-run")])
def test_a_plan_tells_whose_word_it_takes_and_can_do_without(
    project: Project, poisoned: str, verb: tuple[str, ...]
) -> None:
    told = ok(project.cogpack(*verb, "--json", project.target()))
    assert poisoned in told.out
    assert "alone says" in told.err
    alone = ok(project.cogpack(*verb, "--json", "--no-tag-cache", project.target()))
    assert poisoned not in alone.out
    assert "alone says" not in alone.err
    assert poisoned.removeprefix("sha256:").encode() not in remembered(project)


@pytest.mark.parametrize("verb", [("push",), ("build", "-o", "../out"), ("build", "-o", "../out.tar")])
def test_a_rebuild_that_contradicts_the_lock_is_an_error(project: Project, verb: tuple[str, ...]) -> None:
    world, lock = project.world, project.root / "cogpack.lock"
    ok(project.cogpack("push", project.target()))
    document, evil = tomllib.loads(lock.read_text()), evil_layer(world, "me/model")
    forget(project)
    (wheels,) = (found for found in document["results"]["layers"] if found["name"].startswith("wheels"))
    wheels |= {name: evil[name] for name in ("digest", "size", "diff_id")}
    lock.write_bytes(toml.encode(document))
    done = project.cogpack(*verb, "--rebuild", *([project.target("anew")] if verb == ("push",) else []))
    assert done.code == 3
    assert f"cogpack.lock says it is {evil['digest']}, the layer just built says sha256:" in done.err
    assert lock.read_bytes() == toml.encode(document)
    assert not world.has("me/model", "anew")


def test_the_word_of_one_branchs_lock_is_forgotten_with_that_lock(project: Project) -> None:
    """Where the next branch's lock says nothing of a layer, it is made here and not taken from the cache."""
    world, lock = project.world, project.root / "cogpack.lock"
    ok(project.cogpack("push", project.target()))
    good, evil = lock.read_text(), evil_layer(world, "me/model")
    forget(project)
    document = tomllib.loads(good)
    (wheels,) = (found for found in document["results"]["layers"] if found["name"].startswith("wheels"))
    wheels |= {name: evil[name] for name in ("digest", "size", "diff_id")}
    lock.write_bytes(toml.encode(document))
    ok(project.cogpack("push", "--no-tag-cache", project.target("branch")))
    assert world.files("me/model", "branch")[f"{SITE}/thing.py"] == b"# EVIL\n"
    lock.write_text(good.partition("[results]")[0])
    ok(project.cogpack("push", "--no-tag-cache", project.target("main")))
    assert world.files("me/model", "main")[f"{SITE}/thing.py"] == b"# good\n"
    assert evil["digest"] not in lock.read_text()


def test_a_tag_that_contradicts_the_lock_is_an_error_with_a_way_round_it(project: Project) -> None:
    first = ok(project.cogpack("push", project.target()))
    poison(project.world, "me/model", "v1")
    done = project.cogpack("push", project.target())
    assert done.code == 3
    assert f"the tag {project.target()} says" in done.err
    assert "--no-tag-cache" in done.err
    assert ok(project.cogpack("push", "--no-tag-cache", project.target())).digest == first.digest


def test_facts_that_another_machine_wrote_decide_nothing(project: Project) -> None:
    """A restored cache: as it was, and with a fact that names another layer."""
    world = project.world
    first = ok(project.cogpack("push", project.target("one")))
    forget(project, facts=False)
    evil = evil_layer(world, "me/model")
    for fact in (world.directory / "cache" / "facts").rglob("*.fact"):
        info = json.loads(fact.read_bytes()[32:])
        if info["diff_id"] in json.dumps(world.manifest("me/model", "one")):
            continue
        info["descriptor"] |= {"digest": evil["digest"], "size": evil["size"]}
        fact.write_bytes(fact.read_bytes()[:32] + json.dumps(info | {"diff_id": evil["diff_id"]}).encode())
    world.requests.clear()
    again = ok(project.cogpack("push", project.target("two"), XDG_STATE_HOME=str(world.directory / "elsewhere")))
    assert again.digest == first.digest
    assert world.uploads() == []


def test_metadata_of_indexes_that_another_machine_kept_is_not_asked(project: Project) -> None:
    ok(project.cogpack("lock"))
    (mine,) = (project.world.directory / "cache" / "uv").iterdir()
    ok(project.cogpack("lock", XDG_STATE_HOME=str(project.world.directory / "elsewhere")))
    names = {path.name for path in (project.world.directory / "cache" / "uv").iterdir()}
    assert len(names) == 2
    ok(project.cogpack("lock"))
    assert {path.name for path in (project.world.directory / "cache" / "uv").iterdir()} == names
    assert mine.name in names
