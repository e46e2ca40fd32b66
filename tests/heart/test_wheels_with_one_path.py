"""Two wheels that hold one path: the image has the file of the one that pip installs last, and nobody is stopped."""

import json
import tomllib
from typing import Any

import pytest
from support.fake_http import Fake
from support.index import index
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

pytestmark = pytest.mark.slow

SITE = "opt/venv/lib/python/site-packages"
LARGE = noise(4_100_000)


def locked(project: Project) -> Any:
    lock = tomllib.loads((project.root / "cogpack.lock").read_text())
    return lock["platforms"]["linux/amd64"]["clashes"]


def layers(world: World, name: str) -> dict[str, str]:
    """Digests of the layers by their names, bottom first."""
    named = world.manifest(f"me/{name}", "v1")["layers"]
    return {
        layer["annotations"]["dev.cogpack.layer.name"]: layer["digest"] for layer in named if "annotations" in layer
    }


def pushed(world: World, name: str, *requirements: str, config: str = "") -> tuple[Project, str]:
    """The project, and what was said."""
    project = world.project(name, requirements="".join(f"{line}\n" for line in requirements), config=config)
    return project, ok(project.cogpack("push", project.target())).err


def test_papers_tests_and_equal_files_of_two_wheels_are_not_worth_a_word(world: World) -> None:
    """pytest-socket 0.5.1 and pytest-freezer 0.4.7 both have a LICENSE."""
    for name in ("pytest-socket", "pytest-freezer"):
        files = {"LICENSE": name.encode(), "tests/__init__.py": name.encode(), "nvidia/__init__.py": b""}
        make_wheel(world.wheels, name, files={**files, f"{name}.py": b""})
    project, said = pushed(world, "a1", "pytest-socket", "pytest-freezer")
    assert locked(project) == []
    assert "LICENSE" not in said
    assert "clashes" not in layers(world, "a1")


def make_pair(world: World, *, needs: bool = False, size: int = 1000) -> None:
    """Two packages with a module `cv2`. Independent, `acv` has it, since pip goes from Z to A; needed, `zcv` has it."""
    for name in ("acv", "zcv"):
        files = {
            "cv2/__init__.py": f"WHO = {name!r}\n".encode(),
            "cv2/lib.so": name.encode(),
            f"{name}.bin": LARGE[:size],
        }
        make_wheel(world.wheels, name, requires=("acv",) if needs and name == "zcv" else (), files=files)


@pytest.mark.parametrize("needs", [False, True], ids=["independent", "needed"])
@pytest.mark.parametrize("size", [1000, len(LARGE)], ids=["one layer", "two layers"])
def test_the_winners_bytes_are_seen_in_either_order_of_the_layers(world: World, needs: bool, size: int) -> None:
    make_pair(world, needs=needs, size=size)
    project, said = pushed(world, "both", "acv", "zcv")
    winner, loser = ("zcv", "acv") if needs else ("acv", "zcv")
    files = world.files("me/both", "v1")
    assert files[f"{SITE}/cv2/__init__.py"] == f"WHO = {winner!r}\n".encode()
    assert files[f"{SITE}/cv2/lib.so"] == winner.encode()
    assert locked(project) == [
        {
            "wheel": f"{winner}-1.0-py3-none-any.whl",
            "over": [f"{loser}-1.0-py3-none-any.whl"],
            "paths": [f"{SITE}/cv2/__init__.py", f"{SITE}/cv2/lib.so"],
        }
    ]
    assert (
        f"requirements.txt:2, requirements.txt:3: cv2/__init__.py and 1 more: in {loser} 1.0 and {winner} 1.0; "
        f"the image has {winner}'s, which pip would install last" in said
    )
    names = list(layers(world, "both"))
    if needs == (size == 1000):  # in one layer the first name is seen, of two layers the upper one
        assert names[-2:] == ["clashes", "project"]
    else:
        assert "clashes" not in names


def test_the_layers_of_both_wheels_are_what_they_are_without_the_other(world: World) -> None:
    make_pair(world, size=len(LARGE))
    for name, lines in (("one", ["acv"]), ("other", ["zcv"]), ("both", ["acv", "zcv"])):
        pushed(world, name, *lines)
    one, other, both = (layers(world, name) for name in ("one", "other", "both"))
    assert both["wheels: acv 1.0"] == one["wheels: acv 1.0"]
    assert both["wheels: zcv 1.0"] == other["wheels: zcv 1.0"]
    assert both.keys() - one.keys() - other.keys() == {"clashes"}


def test_a_lock_is_enough_for_the_same_image_elsewhere_and_nothing_is_read_for_it(world: World) -> None:
    make_pair(world, needs=True)
    project, _ = pushed(world, "both", "acv", "zcv")
    lock = (project.root / "cogpack.lock").read_bytes()
    again = ok(project.cogpack("push", project.target("v2"), "--locked", COGPACK_CACHE_DIR=str(world.directory / "c2")))
    assert world.manifest("me/both", "v1") == world.manifest("me/both", "v2")
    said = "cv2/__init__.py and 1 more: in acv 1.0 and zcv 1.0"
    assert said not in again.err  # it was when the lock was made
    assert said in ok(project.cogpack("plan", project.target("v2"))).err
    as_json = ok(project.cogpack("push", project.target("v2"), "--json")).out
    assert [note["code"] for note in json.loads(as_json)["notes"] if said in note["text"]] == ["clash"]
    assert project.cogpack("push", project.target("v3"), "--deny", "clash").code == 2
    assert not list((world.directory / "c2" / "artifacts").rglob("*"))
    assert (project.root / "cogpack.lock").read_bytes() == lock


def test_who_wants_an_error_gets_one_before_anything_is_written(world: World) -> None:
    make_pair(world)
    project = world.project("strict", requirements="acv\nzcv\n", config="  clashes: error\n")
    done = project.cogpack("push", project.target())
    assert done.code == 2
    assert "cv2/__init__.py and 1 more: in zcv 1.0 and acv 1.0; the image has acv's" in done.err
    assert "cog.yaml:7:12: cogpack.clashes makes that an error" in done.err
    assert not (project.root / "cogpack.lock").exists()
    assert not world.uploads()
    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("clashes: error", "clashes: note"))
    ok(project.cogpack("push", project.target()))
    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("clashes: note", "clashes: error"))
    assert project.cogpack("push", project.target("v2"), "--locked").code == 2
    assert not world.has("me/strict", "v2")


def lock_from(world: World, fake: Fake) -> Project:
    project = world.project("far", {"requirements.txt": f"--extra-index-url {fake.url}/simple\nacv\nzcv\n"})
    ok(project.cogpack("lock"))
    return project


@pytest.mark.parametrize("sizes", [True, False])
def test_wheels_of_a_server_are_compared_by_their_ends(world: World, sizes: bool) -> None:
    make_pair(world, size=len(LARGE))
    far = world.directory / "far-wheels"
    far.mkdir()
    for file in world.wheels.glob("?cv-*"):
        file.rename(far / file.name)
    with index(far, sizes=sizes) as (fake, sent):
        project = lock_from(world, fake)
        assert [clash["wheel"] for clash in locked(project)] == ["acv-1.0-py3-none-any.whl"]
        assert sum(sent) < 500_000
        lock = (project.root / "cogpack.lock").read_text()
        assert lock.count("size = 4") == 2, "also where the index does not tell it: it decides the layers"
        assert sent.count(128 * 1024) == 2
        ok(project.cogpack("lock"))
        assert sent.count(128 * 1024) == 2, "the same wheels, so the lock's own word"
        ok(project.cogpack("push", project.target()))
    assert world.files("me/far", "v1")[f"{SITE}/cv2/lib.so"] == b"acv"


def test_a_server_that_knows_no_ranges_is_asked_for_the_wheels(world: World) -> None:
    make_pair(world, size=100_000)
    far = world.directory / "far-wheels"
    far.mkdir()
    for file in world.wheels.glob("?cv-*"):
        file.rename(far / file.name)
    with index(far, ranges=False, sizes=False) as (fake, _):
        assert [clash["wheel"] for clash in locked(lock_from(world, fake))] == ["acv-1.0-py3-none-any.whl"]


def test_a_wheel_that_nobody_can_read_is_told_when_it_is_locked(world: World) -> None:
    (world.wheels / "bad-1.0-py3-none-any.whl").write_bytes(b"no zip")
    done = world.project("bad", requirements="bad\n").cogpack("lock")
    assert done.code == 2
    assert "bad" in done.err
