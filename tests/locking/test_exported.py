"""Built wheels are exported as the sources that pip and uv can have: nobody publishes the wheels themselves."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uv
from packaging.pylock import Pylock
from support.git_server import git_server
from support.serving import served
from support.sources import make_sdist
from support.wheels import make_wheel

from cogpack.digest import Digest
from cogpack.lockfile import BuildSource, Decisions, GitSource, IndexSource, LockedWheel, ProjectSource, UrlSource
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb
from cogpack.lockfile.builds import LockedBuild
from cogpack.locking.wheels.exported import pylock, requirements_file
from cogpack.requirements.files import parse_file
from cogpack.requirements.model import Selection

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
A, COMMIT = "a" * 64, "c" * 40
SHA = Digest(f"sha256:{A}")
SOURCES: dict[str, BuildSource] = {
    "archived": UrlSource(url="https://h.test/x.zip", sha256=A, size=7, subdirectory="python/it"),
    "cloned": GitSource(url="https://h.test/r", commit=COMMIT, subdirectory="python"),
    "edited": GitSource(url="ssh://git@h.test/r", commit=COMMIT, editable=True),
    "indexed": IndexSource(filename="indexed-1.0.tar.gz", sha256=A, size=5),
    "local": ProjectSource(path="my libs/a#b", digest=SHA),
    "opened": ProjectSource(path="my libs/opened", digest=SHA, editable=True),
    "packed": ProjectSource(path="packed-1.0.tar.gz", digest=SHA),
}


def decided(sources: dict[str, BuildSource], *more: LockedWheel) -> Decisions:
    def wheel(name: str) -> LockedWheel:
        return LockedWheel(name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl", sha256="b" * 64)

    deb = LockedDeb(name="a", version="1", arch="all", archive="debian", path="a.deb", size=1, sha256=A)
    wheels = {name: wheel(name) for name in sources}
    return Decisions(
        base=DebianBase(suite="trixie", arch="amd64", python=MINOR, glibc="2.41", releases=(), packages=(deb,)),
        wheels=(*wheels.values(), *more),
        builds=tuple(LockedBuild(wheel=wheels[name].filename, source=source) for name, source in sources.items()),
        clashes=(),
    )


def test_each_source_is_a_line_that_names_what_was_built() -> None:
    near = LockedWheel(
        name="near", version="1.0", filename="near-1.0-py3-none-any.whl", sha256=A, path="w h/near-1.0-py3-none-any.whl"
    )
    assert requirements_file(decided(SOURCES, near), "linux/amd64").decode().splitlines()[1:] == [
        f"archived @ https://h.test/x.zip#subdirectory=python/it --hash=sha256:{A}",
        f"cloned @ git+https://h.test/r@{COMMIT}#subdirectory=python",
        "# edited is editable in the image, which uv takes of no repository:",
        f"edited @ git+ssh://git@h.test/r@{COMMIT}",
        f"indexed==1.0 --hash=sha256:{A}",
        "file:./my%20libs/a%23b",
        f"file:./w%20h/near-1.0-py3-none-any.whl --hash=sha256:{A}",
        "-e file:./my%20libs/opened",
        f"./packed-1.0.tar.gz --hash=sha256:{A}",
    ]


def test_each_source_is_a_package_of_a_pylock() -> None:
    written = pylock(decided(SOURCES), "linux/amd64", lambda file, _: f"https://i.test/{file.filename}").decode()
    Pylock.from_dict(tomllib.loads(written)).validate()
    packages = {package.pop("name"): package for package in tomllib.loads(written)["packages"]}
    hashes = {"sha256": A}
    sdist = {"name": "indexed-1.0.tar.gz", "url": "https://i.test/indexed-1.0.tar.gz", "size": 5, "hashes": hashes}
    assert all(package.pop("version") == "1.0" for package in packages.values())
    assert packages == {
        "archived": {
            "archive": {"url": "https://h.test/x.zip", "size": 7, "hashes": hashes, "subdirectory": "python/it"}
        },
        "cloned": {"vcs": _vcs("https://h.test/r") | {"subdirectory": "python"}},
        "edited": {"vcs": _vcs("ssh://git@h.test/r")},
        "indexed": {"sdist": sdist},
        "local": {"directory": {"path": "my libs/a#b"}},
        "opened": {"directory": {"path": "my libs/opened", "editable": True}},
        "packed": {"archive": {"path": "packed-1.0.tar.gz", "hashes": hashes}},
    }
    read = parse_file(written, path="pylock.toml", selection=Selection(python=MINOR), faults=[])
    assert f"archived @ https://h.test/x.zip#subdirectory=python/it --hash=sha256:{A}" in map(str, read.sources)


def _vcs(url: str) -> dict[str, str]:
    return {"type": "git", "url": url, "commit-id": COMMIT}


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
@pytest.mark.parametrize("form", ["pylock.toml", "requirements.txt"])
def test_uv_finds_what_was_built_whatever_it_was_built_of(tmp_path: Path, form: str) -> None:
    def project(name: str) -> dict[str, bytes]:
        said = f'[project]\nname = "{name}"\nversion = "1.0"\n'.encode()
        return {"pyproject.toml": said, "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n".encode()}

    def hashed(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def below(name: str) -> dict[str, bytes]:
        return {f"python/{path}": data for path, data in project(name).items()}

    archive = make_sdist(tmp_path / "x.zip", below("archived"))
    sdist = make_sdist(tmp_path / "indexed-1.0.tar.gz", project("indexed"), top="indexed-1.0/")
    packed = make_sdist(tmp_path / "packed-1.0.tar.gz", project("packed"), top="packed-1.0/")
    directories = {"local": "my libs/ä", "opened": "my libs/opened"}
    for name, path in directories.items():
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "pyproject.toml").write_bytes(project(name)["pyproject.toml"])
    (tmp_path / "w h").mkdir()
    wheel = make_wheel(tmp_path / "w h", "near")
    near = LockedWheel(name="near", version="1.0", filename=wheel.name, sha256=hashed(wheel), path=f"w h/{wheel.name}")
    with _files(tmp_path) as files, git_server(tmp_path / "served") as server:
        commit = server.commit("r", dict(below("cloned")))
        sources: dict[str, BuildSource] = {
            "archived": UrlSource(
                url=f"{files}/x.zip", sha256=hashed(archive), size=archive.stat().st_size, subdirectory="python"
            ),
            "cloned": GitSource(url=f"{server.address}/r", commit=commit, subdirectory="python", editable=True),
            "indexed": IndexSource(filename=sdist.name, sha256=hashed(sdist), size=sdist.stat().st_size),
            "local": ProjectSource(path=directories["local"], digest=SHA),
            "opened": ProjectSource(path=directories["opened"], digest=SHA, editable=True),
            "packed": ProjectSource(path=packed.name, digest=Digest(f"sha256:{hashed(packed)}")),
        }
        decisions = decided(sources, near)
        written = (
            pylock(decisions, "linux/amd64", lambda file, _: f"{files}/{file.filename}")
            if form == "pylock.toml"
            else requirements_file(decisions, "linux/amd64")
        )
        (tmp_path / form).write_bytes(written)
        done = subprocess.run(
            [
                *(uv.find_uv_bin(), "pip", "install", "--dry-run", "-r", form, "--no-config"),
                *("--no-index", "--find-links", ".", "--python", sys.executable, "--target", "there"),
            ],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv")},
            capture_output=True,
            text=True,
            check=False,
        )
    found = {line[3:].partition("==")[0].partition(" @ ")[0] for line in done.stderr.splitlines() if line[:3] == " + "}
    assert found == {*sources, "near"}, done.stderr


@contextmanager
def _files(directory: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(directory)))
    with served(server):
        yield f"http://127.0.0.1:{server.server_port}"
