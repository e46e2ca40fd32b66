"""Images come with bytecode of their Python files, whoever builds them: made once, found again, and never left out."""

import io
import sys
import tarfile
from pathlib import Path

import pytest
from support.interpreters import archive_of, downloads_list, few_files
from support.python_tree import PYTHON, PythonSource
from support.wheels import make_wheel
from support.world import Project, World, noise, ok, push_image

from cogpack.layers.content import LocalFile
from cogpack.layers.entry import File
from cogpack.planning import compiling

pytestmark = pytest.mark.slow

RELEASE = ".".join(map(str, sys.version_info[:3]))
MINOR = RELEASE.rpartition(".")[0]
SITE = "opt/venv/lib/python/site-packages"
TAG = f"{sys.implementation.cache_tag}.pyc"
CONFIG = """\
build:
  python_version: "{minor}"
  python_requirements: requirements.txt
predict: "predict.py:Predictor"
cogpack:
  base: {registry}/base/python:v1
"""


@pytest.fixture
def project(world: World, monkeypatch: pytest.MonkeyPatch) -> Project:
    """One with an interpreter like the one that runs the tests: `archive` of a few files, which can't be started."""
    archive = archive_of(few_files(MINOR), programs={f"python/bin/python{MINOR}"})
    (world.directory / f"{RELEASE}.tar.gz").write_bytes(archive)
    listed = world.directory / "list.json"
    listed.write_bytes(downloads_list({RELEASE: archive}, at=world.directory.as_uri()))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(listed))
    make_wheel(world.wheels, "large", files={"large.py": b"L = 1\n", "large.bin": noise(4_100_000)})
    make_wheel(world.wheels, "acv", files={"cv.py": b"A = 1\n"})
    make_wheel(world.wheels, "zcv", files={"cv.py": b"Z = 1\n"}, requires=("acv",))
    make_wheel(world.wheels, "small", files={"small.py": b"S = 1\n", "tests/test_small.py": b"T = 1\n"})
    config = CONFIG.format(minor=MINOR, registry=world.registry)
    return world.project(files={"cog.yaml": config, "requirements.txt": "--no-index\nlarge\nzcv\nsmall\n"})


def pushed(project: Project, tag: str = "v1", *more: str, **environment: str) -> dict[str, str]:
    """The digests of our layers by their names, of an image that was just pushed."""
    ok(project.cogpack("push", project.target(tag), *more, **environment))
    layers = project.world.manifest(f"me/{project.root.name}", tag)["layers"]
    return {layer["annotations"]["dev.cogpack.layer.name"]: layer["digest"] for layer in layers[1:]}


def test_its_layers_are_cut_as_those_of_the_sources_and_a_small_wheel_moves_its_own_alone(project: Project) -> None:
    before = pushed(project)
    names = [f"python: CPython {RELEASE}", f"venv: Python {MINOR}", "wheels: large 1.0", f"bytecode: Python {RELEASE}"]
    names += ["bytecode: large 1.0", "wheels: 6 small ones", "bytecode: 6 small ones", "project"]
    assert [name for name in before if name != "clashes"] == names
    files = project.world.files(f"me/{project.root.name}", "v1")
    compiled = {path for path in files if path.endswith(".pyc")}
    library = f"opt/cpython-{MINOR}/lib/python{MINOR}"
    own = {
        f"{library}/__pycache__/os.{TAG}",
        *(f"{SITE}/__pycache__/{name}.{TAG}" for name in ("large", "small", "cv")),
    }
    assert own <= compiled
    assert not [path for path in compiled if "test_small" in path]
    assert b"Z" in bytes(files[f"{SITE}/__pycache__/cv.{TAG}"])  # type: ignore[arg-type]
    assert f'bytecode = "cpython-{RELEASE}"' in (project.root / "cogpack.lock").read_text()

    make_wheel(project.world.wheels, "small", "1.1", files={"small.py": b"S = 2\n"})
    ok(project.cogpack("lock", "--upgrade-package", "small"))
    after = pushed(project, "v2")
    assert {name for name in after if after[name] != before.get(name)} == {
        "wheels: 6 small ones",
        "bytecode: 6 small ones",
    }


def test_who_has_neither_that_python_nor_the_layers_stops(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pushed(project)
    monkeypatch.setattr(compiling, "is_release", lambda *_: False)
    elsewhere = {"COGPACK_CACHE_DIR": str(project.world.directory / "another-cache")}
    project.write("data.txt", "more")
    after = pushed(project, "v2", **elsewhere)
    assert {name for name in after if after[name] != before[name]} == {"project"}

    done = project.cogpack("build", "-o", "../out", **elsewhere)
    assert done.code == 2
    assert f'the lock has bytecode = "cpython-{RELEASE}", and there is no such Python here' in done.err
    assert f"next: any one of these helps: uv python install {RELEASE}; " in done.err
    assert "bytecode: false" in done.err
    project.write("cog.yaml", f"{(project.root / 'cog.yaml').read_text()}  bytecode: false\n")
    ok(project.cogpack("lock"))
    layers = ok(project.cogpack("build", "-o", "../out", "--json", **elsewhere)).json["layers"]
    assert not [layer for layer in layers if layer["name"].startswith("bytecode")]


def test_what_was_compiled_here_is_not_compiled_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ok(project.cogpack("build", "-o", "../one"))
    monkeypatch.setattr(compiling, "is_release", lambda *_: False)
    again = ok(project.cogpack("build", "-o", "../two", "--rebuild"))
    assert again.digest == first.digest
    assert Path(project.world.directory, "cache", "bytecode").is_dir()


def python_image() -> bytes:
    """A layer with the Python that runs the tests where Docker's images have theirs, and all that it starts with."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry in PythonSource().entries():
            if isinstance(entry, File):
                assert isinstance(entry.content, LocalFile)
                archive.add(entry.content.path, entry.path)
        archive.add(PYTHON, f"usr/local/bin/python{MINOR}")
        link = tarfile.TarInfo("usr/local/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, f"python{MINOR}"
        archive.addfile(link)
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(temporary)
    return out.getvalue()


def test_of_an_images_own_python_it_is_made_for_who_asks_by_this_machines_or_by_that_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(world.registry, "base/own:v1", [python_image()], environment=["PYTHON_VERSION=3.4.5"])
    make_wheel(world.wheels, "small", files={"small.py": b"S = 1\n"})
    config = CONFIG.format(minor=MINOR, registry=world.registry).replace("base/python", "base/own")
    made = world.project(files={"cog.yaml": config, "requirements.txt": "--no-index\nsmall\n"})
    assert not [name for name in pushed(made) if name.startswith("bytecode")]
    made.write("cog.yaml", f"{config}  bytecode: true\n")
    by_ours = pushed(made, "v2")
    assert [name for name in by_ours if name.startswith("bytecode")] == ["bytecode: 4 small ones"]
    assert f'bytecode = "cpython-{RELEASE}"' in (made.root / "cogpack.lock").read_text()
    assert f"{SITE}/__pycache__/small.{TAG}" in world.files(f"me/{made.root.name}", "v2")

    monkeypatch.setattr(compiling, "is_release", lambda *_: False)
    cache = {"COGPACK_CACHE_DIR": str(world.directory / "another-cache")}
    done = ok(made.cogpack("build", "-o", "../out", "--rebuild", "--json", "-v", **cache))
    assert f"bytecode is made by the image's own cpython-{RELEASE}" in done.err
    layers = done.json["layers"]
    assert {layer["name"]: layer["digest"] for layer in layers}["bytecode: 4 small ones"] in by_ours.values()
