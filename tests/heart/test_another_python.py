"""A project that asks for a Python which its base has not: from the lock to the image."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from support import plain
from support.fake_http import Answer, Fake, Request, serving
from support.interpreters import GITHUB, downloads_list, small_archive
from support.wheels import make_wheel
from support.world import Done, Project, World, ok, push_image, tar_files

from cogpack.lockfile import parse_lock

ARCHIVES = {"3.12.15": small_archive(), "3.12.16": small_archive(), "3.10.22": small_archive("3.10")}


@dataclass
class Publisher:
    """Has archives at their address behind a map, if it is there at all."""

    fake: Fake
    environment: Mapping[str, str]
    there: bool = True

    def lock(self, project: Project, *more: str) -> Done:
        return project.cogpack("lock", *more, **self.environment)


@pytest.fixture
def publisher(world: World) -> Iterator[Publisher]:
    def answer(request: Request) -> Answer:
        version = next((one for one in ARCHIVES if f"-{one}%2B" in request.path), None)
        if version is None or not made.there:
            return 404, {}, b""
        data = ARCHIVES[version]
        if "range" in request.headers:
            return 206, {"Content-Range": f"bytes 0-0/{len(data)}"}, data[:1]
        return 200, {}, data

    listed = world.directory / "list.json"
    listed.write_bytes(downloads_list(ARCHIVES))
    with serving(answer) as fake:
        environment = {
            "UV_PYTHON_DOWNLOADS_JSON_URL": str(listed),
            "COGPACK_URL_MAP": f"{GITHUB}={fake.url}/github https://releases.astral.sh={fake.url}/astral",
        }
        made = Publisher(fake, environment)
        yield made


def without_python() -> bytes:
    """Give the tar of a base that has a C library, and nothing else that is looked at."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        directory = tarfile.TarInfo("tmp")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(directory)
        data = b"GNU C Library (stand-in) stable release version 2.35.\n"
        library = tarfile.TarInfo("lib/libc.so.6")
        library.size = len(data)
        tar.addfile(library, io.BytesIO(data))
    return held.getvalue()


def asking(world: World, version: str, name: str = "model") -> Project:
    """Ask for it, and for no bytecode: nothing of these archives could be run to make that."""
    make_wheel(world.wheels, "setuptools", "79.0.1")
    project = world.project(name, config="  bytecode: false\n")
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("3.13", version))
    return project


def test_it_is_a_layer_over_the_base_that_other_images_share(world: World, publisher: Publisher) -> None:
    layers = []
    for name in ("one", "two"):
        project = asking(world, "3.12", name)
        project.write("data.txt", name)
        done = ok(publisher.lock(project))
        assert "base/python:v1 has Python 3.13, and 3.12.16 is laid over it" in done.err
        assert "CPython 3.12.16 and 3 wheels" in done.err
        ok(project.cogpack("push", f"{world.registry}/me/{name}:v1", **publisher.environment))
        layers.append(world.manifest(f"me/{name}", "v1")["layers"])
    names = [layer.get("annotations", {}).get("dev.cogpack.layer.name") for layer in layers[0]]
    assert names[:3] == [None, "python: CPython 3.12.16", "venv: Python 3.12"]
    assert layers[0][:3] == layers[1][:3]
    (fetched,) = [request.path for request in publisher.fake.seen if "range" not in request.headers]
    assert fetched.startswith("/astral/github/python-build-standalone/releases/download/20261110/cpython-3.12.16%2B")
    files: dict[str, bytes | str] = {}
    for layer in layers[0][1:3]:
        files |= tar_files(plain.get(f"http://{world.registry}/v2/me/one/blobs/{layer['digest']}").content)
    assert files["opt/venv/bin/python3"] == "/opt/cpython-3.12/bin/python3.12"
    assert files["opt/cpython-3.12/bin/python3.12"] == b"\x7fELF"
    assert b"home = /opt/cpython-3.12/bin\n" in bytes(files["opt/venv/pyvenv.cfg"])  # type: ignore[arg-type]


def test_the_lock_keeps_the_patch_level_until_it_is_to_be_renewed(world: World, publisher: Publisher) -> None:
    project = asking(world, "3.12.15")
    ok(publisher.lock(project))
    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("3.12.15", "3.12"))
    publisher.there = False
    ok(publisher.lock(project))
    assert 'version = "3.12.15"' in (project.root / "cogpack.lock").read_text()
    publisher.there = True
    assert "moved    CPython 3.12.15 -> 3.12.16" in ok(publisher.lock(project, "--upgrade")).err


def test_a_publisher_that_cannot_be_reached_is_told_with_the_ways_out(world: World, publisher: Publisher) -> None:
    publisher.there = False
    project = asking(world, "3.10")
    done = publisher.lock(project)
    assert done.code == 5
    assert "cog.yaml:2:19: build.python_version: CPython 3.10 of python-build-standalone can't be had: " in done.err
    assert "next: name a mirror of its releases in UV_PYTHON_INSTALL_MIRROR, or an image that has it" in done.err
    publisher.there = True
    ok(publisher.lock(project))
    publisher.there = False
    done = project.cogpack("push", f"{world.registry}/me/model:v1", **publisher.environment)
    assert done.code == 5
    assert "cog.yaml:2:19: build.python_version: CPython 3.10.22 of python-build-standalone can't be had" in done.err
    assert "UV_PYTHON_INSTALL_MIRROR" in done.err


def test_it_comes_with_all_else_that_is_needed_without_a_network(world: World, publisher: Publisher) -> None:
    project = asking(world, "3.12")
    ok(publisher.lock(project))
    fetched = ok(project.cogpack("fetch", "-o", "../depot", "--json", **publisher.environment)).json
    assert "CPython 3.12.16" in [file["what"] for file in fetched["files"]]
    before = ok(project.cogpack("build", "-o", "../before", **publisher.environment))
    publisher.there = False
    elsewhere = {"COGPACK_CACHE_DIR": str(world.directory / "another-cache")}
    after = ok(project.cogpack("build", "--offline", "../depot", "-o", "../after", **elsewhere))
    assert after.digest == before.digest


def test_a_base_without_python_gets_the_default_or_the_one_asked_for(world: World, publisher: Publisher) -> None:
    push_image(world.registry, "base/bare:v1", [without_python()])
    project = asking(world, "3.12")
    config = (project.root / "cog.yaml").read_text().replace("base/python", "base/bare")
    project.write("cog.yaml", config)
    assert "python-laid" not in ok(publisher.lock(project, "--json")).out
    planned = ok(project.cogpack("plan", "--json", **publisher.environment)).json
    assert [layer["name"] for layer in planned["layers"]][1:3] == ["python: CPython 3.12.16", "venv: Python 3.12"]
    project.write("cog.yaml", config.replace('  python_version: "3.12"\n', ""))
    done = publisher.lock(project)
    assert done.code == 2
    assert "cogpack.base: python-build-standalone has no CPython 3.13 for linux/amd64: it has 3.10 to 3.12" in done.err


def test_a_patch_level_that_is_not_there_is_told_with_those_that_are(world: World, publisher: Publisher) -> None:
    done = publisher.lock(asking(world, "3.10.1"))
    assert done.code == 2
    assert "CPython 3.10.1 for linux/amd64: of 3.10 it has 3.10.22\n" in done.err


def locked_setuptools(world: World, publisher: Publisher, python: str, requirements: str = "") -> tuple[list[str], str]:
    """Lock, and give the versions of setuptools that the lock has, and what was said."""
    project = world.directory / f"model{python}"
    found = Project(world, project) if project.exists() else asking(world, python, project.name)
    found.write("requirements.txt", f"--no-index\n--find-links {world.wheels}\n{requirements}")
    said = ok(publisher.lock(found)).err
    decided = parse_lock((found.root / "cogpack.lock").read_bytes()).platforms["linux/amd64"]
    return [wheel.version for wheel in decided.wheels if wheel.name == "setuptools"], said


def test_python_before_3_12_has_the_setuptools_that_it_comes_with_and_later_ones_none(
    world: World, publisher: Publisher
) -> None:
    for version in ("65.5.0", "82.0.0"):
        make_wheel(world.wheels, "setuptools", version)

    def locked(python: str, requirements: str = "") -> list[str]:
        versions, said = locked_setuptools(world, publisher, python, requirements)
        assert "no setuptools" not in said
        return versions

    assert locked("3.10") == ["79.0.1"]
    assert locked("3.10", "setuptools<70") == ["65.5.0"]
    assert locked("3.10", "# nothing requires it") == ["65.5.0"], "a pin that still fits is kept"
    assert locked("3.10", "setuptools>80") == ["82.0.0"]
    assert locked("3.12") == []


def test_python_before_3_12_goes_without_setuptools_that_cannot_be_had_unless_something_requires_it(
    world: World, publisher: Publisher
) -> None:
    make_wheel(world.wheels, "builder", "1", requires=("setuptools",))
    project = asking(world, "3.10", "model3.10")
    project.write("old.txt", "setuptools<60")
    left_out = "note: no setuptools that fits can be had, with which Python 3.10 comes in Cog's images"
    versions, said = locked_setuptools(world, publisher, "3.10", "-c old.txt")
    assert versions == []
    assert left_out in said
    (world.wheels / "setuptools-79.0.1-py3-none-any.whl").unlink()
    versions, said = locked_setuptools(world, publisher, "3.10", "# none at all")
    assert versions == []
    assert said.count(left_out) == 1
    for required in ("setuptools", "builder"):
        project.write("requirements.txt", f"--no-index\n--find-links {world.wheels}\n{required}")
        done = publisher.lock(project)
        assert done.code == 2
        assert "setuptools was not found" in done.err


def test_an_archive_that_is_another_than_the_locked_one_makes_no_image(
    world: World, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = asking(world, "3.10")
    ok(publisher.lock(project))
    data = bytearray(ARCHIVES["3.10.22"])
    data[-1] ^= 1
    monkeypatch.setitem(ARCHIVES, "3.10.22", bytes(data))
    done = project.cogpack("push", f"{world.registry}/me/model:v1", **publisher.environment)
    assert done.code == 3
    assert "expected sha256:" in done.err
    assert not world.has("me/model", "v1")
