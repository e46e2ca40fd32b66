"""A project that comes over from Cog begins with the versions that its image has."""

import io
import tarfile
import tomllib
from collections.abc import Sequence

import pytest
from support.wheels import make_wheel
from support.world import Project, World, ok, push_image

pytestmark = pytest.mark.slow

SITE = "root/.pyenv/versions/3.11.10/lib/python3.11/site-packages"


def layer(*paths: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in paths:
            archive.addfile(tarfile.TarInfo(path))
    return out.getvalue()


def installed(*names: str, site: str = SITE) -> Sequence[str]:
    return [f"{site}/{name}.dist-info/METADATA" for name in names]


def versions(project: Project) -> dict[str, str]:
    lock = tomllib.loads((project.root / "cogpack.lock").read_text())["platforms"]["linux/amd64"]
    return {wheel["name"]: wheel["version"] for wheel in lock["wheels"]}


@pytest.fixture
def old(world: World) -> str:
    """An image of the first versions, which cogpack made, as Cog does with a label."""
    for name in ("one", "below"):
        make_wheel(world.wheels, name, "1.0", requires=("below",) if name == "one" else ())
    first = world.project("first", requirements="one\n")
    ok(first.cogpack("push", "--no-attach", first.target()))
    for name in ("one", "below"):
        make_wheel(world.wheels, name, "2.0", requires=("below",) if name == "one" else ())
    return first.target()


def test_versions_of_the_label_are_kept_where_they_fit_and_others_are_told(world: World, old: str) -> None:
    project = world.project(requirements="one\n")
    ok(project.cogpack("lock"))
    assert versions(project)["below"] == "2.0"
    said = ok(project.cogpack("lock", "--from-image", old)).err
    assert (versions(project)["one"], versions(project)["below"]) == ("1.0", "1.0")
    assert f"2 wheels of 2 in the version that {old} has, by its label pip_freeze" in said
    project.write("requirements.txt", "--no-index\none\nbelow>=2\n")
    said = ok(project.cogpack("lock", "--from-image", old)).err
    assert (versions(project)["one"], versions(project)["below"]) == ("1.0", "2.0")
    assert "other    below 1.0 there, 2.0 here" in said


def test_the_lock_that_an_image_has_goes_before_its_label(world: World, old: str) -> None:
    first = Project(world, world.directory / "first")
    ok(first.cogpack("push", first.target()))
    project = world.project(requirements="one\n")
    said = ok(project.cogpack("lock", "--from-image", old)).err
    assert (versions(project)["one"], versions(project)["below"]) == ("1.0", "1.0")
    assert f"2 wheels of 2 in the version that {old} has, by its lock" in said


def test_without_the_label_the_metadata_in_its_layers_counts(world: World, old: str) -> None:
    tars = [
        layer(
            *installed("one-1.0", "below-2.0", "lost-3"), *installed("below-9", site="usr/lib/python3/dist-packages")
        ),
        layer(f"{SITE}/.wh.below-2.0.dist-info", *installed("below-1.0", "pip-1")),
    ]
    push_image(world.registry, "old/model:v1", tars)
    project = world.project(requirements="one\n")
    said = ok(project.cogpack("lock", "--from-image", f"{world.registry}/old/model:v1")).err
    assert (versions(project)["one"], versions(project)["below"], versions(project)["pip"]) == ("1.0", "1.0", "26.0")
    assert "2 wheels of 2 in the version that" in said
    assert "by its layers" in said


def test_an_image_that_tells_of_no_package_is_refused(world: World) -> None:
    project = world.project()
    done = project.cogpack("lock", "--from-image", f"{world.registry}/base/python:v1")
    assert done.code == 2
    assert "no Python package lies in its layers" in done.err
    assert not (project.root / "cogpack.lock").exists()
