"""What a source is built with is read from its archive, without unpacking it."""

import bz2
import contextlib
import errno
import io
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.sources import PYPROJECT, make_sdist

from cogpack.errors import InputError
from cogpack.locking.wheels.building import Source
from cogpack.planning.building import archive
from cogpack.planning.building.archive import LEGACY, BuildSystem, pack, read_build_system
from cogpack.planning.building.front_end import _unpacked

MODERN = b'[build-system]\nrequires = ["hatchling>=1.2"]\nbuild-backend = "hatchling.build"\n'


def read(path: Path, subdirectory: str = "") -> BuildSystem:
    return read_build_system(path, Source(title="demo 1.0", path=path, subdirectory=subdirectory))


@pytest.mark.parametrize("name", ["a.gz", "a.bz2", "a.xz", "a.tar", "a.zip"])
def test_it_is_read_whatever_the_archive_is(tmp_path: Path, name: str) -> None:
    place = make_sdist(tmp_path / name.replace(".tar", "."), {"setup.py": b"", "pyproject.toml": MODERN})
    place = place.rename(tmp_path / "0123456789abcdef")  # no name tells
    assert read(place) == BuildSystem(requires=("hatchling>=1.2",), backend="hatchling.build")


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        packed.writestr("x", b"")
    place = tmp_path / "a.tar"
    with tarfile.open(place, "w") as tar:
        for name, content in (("a/pyproject.toml", MODERN), ("a/zz.zip", data.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert zipfile.is_zipfile(place)
    assert read(place).backend == "hatchling.build"
    (tmp_path / "out").mkdir()
    assert _unpacked({"archive": str(place), "subdirectory": ""}, tmp_path / "out") == (tmp_path / "out/a").resolve()


def test_it_may_lie_in_a_subdirectory_or_at_the_top(tmp_path: Path) -> None:
    deep = make_sdist(tmp_path / "deep.gz", {"pyproject.toml": b"[project]\n", "python/one/pyproject.toml": MODERN})
    assert read(deep, "python/one").backend == "hatchling.build"
    flat = make_sdist(tmp_path / "flat.zip", {"pyproject.toml": MODERN}, top="")
    assert read(flat).backend == "hatchling.build"


@pytest.mark.parametrize("files", [{"setup.py": b""}, {"pyproject.toml": b"[tool.black]\nline-length = 100\n"}])
def test_who_says_nothing_is_built_by_setuptools(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert read(make_sdist(tmp_path / "a.gz", files)) == LEGACY


def test_a_backend_of_its_own_is_found(tmp_path: Path) -> None:
    found = read(make_sdist(tmp_path / "a.gz", {"pyproject.toml": PYPROJECT.encode()}))
    assert found == BuildSystem(requires=(), backend="backend", backend_path=(".",))


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example",
        "a @ https://evil.example/a.whl",
        "a\\n--pre",
        "./local",
        "-e .",
        "a; sys_platform != '${DEPLOY}'",
    ],
)
def test_only_names_can_be_required(tmp_path: Path, line: str) -> None:
    """A line is handed to a resolver, which has this user's credentials."""
    place = make_sdist(tmp_path / "a.gz", {"pyproject.toml": f'[build-system]\nrequires = ["{line}"]\n'.encode()})
    with pytest.raises(InputError, match=r"demo 1\.0: pyproject\.toml: build-system\.requires: "):
        read(place)


@pytest.mark.parametrize(
    "text",
    [
        *(b"[build-system\n", b"[build-system]\nrequires = 3\n", b"\xff"),
        *(b"a = " + b"[" * 5000, b"a = " + b"1" * 5000),
    ],
    ids=range(5),
)
def test_what_is_no_pyproject_is_told(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(InputError, match=r"demo 1\.0: pyproject\.toml"):
        read(make_sdist(tmp_path / "a.gz", {"pyproject.toml": text}))


@pytest.mark.parametrize("name", ["a.gz", "a.zip"])
def test_a_file_of_that_name_elsewhere_is_not_the_projects(tmp_path: Path, name: str) -> None:
    files = {"docs/pyproject.toml": MODERN, "pyproject.toml": PYPROJECT.encode(), "setup.py": b""}
    assert read(make_sdist(tmp_path / name, files, top="")).backend == "backend"
    assert read(make_sdist(tmp_path / f"b.{name}", {"docs/pyproject.toml": MODERN, "setup.py": b""}, top="")) == LEGACY


@pytest.mark.slow
@pytest.mark.parametrize("opened", [bz2.open, lzma.open], ids=["bz2", "xz"])
def test_what_unpacks_without_end_is_given_up(tmp_path: Path, opened: Any) -> None:
    with opened(tmp_path / "bomb", "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        member = tarfile.TarInfo("demo/zeros")
        member.size = 300 * 2**20
        archive.addfile(member, Zeros())
    with pytest.raises(InputError, match="make more than"):
        read(tmp_path / "bomb")


class Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def test_a_damaged_member_and_a_name_that_is_none_are_told(tmp_path: Path) -> None:
    place = make_sdist(tmp_path / "a.zip", {"pyproject.toml": MODERN * 50})
    whole = place.read_bytes()
    for at in range(60, 90):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(InputError):
            read(place)


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x1f\x8b and nothing")
    with pytest.raises(InputError, match=r"demo 1\.0|gzip"):
        read(tmp_path / "a")


def test_a_directory_is_packed_the_same_whoever_has_it(tmp_path: Path) -> None:
    def packed(name: str, mode: int) -> bytes:
        project, place = tmp_path / name / "project", tmp_path / name / "place"
        (project / "sub").mkdir(parents=True)
        place.mkdir()
        (project / "sub/run.sh").write_text("true\n")
        (project / "sub/run.sh").chmod(mode)
        (project / "link").symlink_to("sub/run.sh")
        return pack(Source(title="it", path=project), place).read_bytes()

    assert packed("one", 0o700) == packed("two", 0o775) != packed("three", 0o644)
    with tarfile.open(tmp_path / "one/place/source.tar") as archive:
        assert archive.getnames() == ["source/link", "source/sub", "source/sub/run.sh"]
        assert archive.getmember("source/link").linkname == "sub/run.sh"


def test_a_file_of_a_source_that_can_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told as an archive that can't be written."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/a.py").write_text("")

    def refuse(path: Path, mode: str = "r") -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"project/a.py: Permission denied") as told:
        pack(Source(title="demo 1", path=tmp_path / "project"), tmp_path)
    assert "read" in told.value.next_step


def test_an_archive_is_unpacked_once_for_all_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[object] = []
    plain = archive._plain
    monkeypatch.setattr(archive, "_plain", lambda stream: [unpacked.append(stream), plain(stream)][1])
    path = make_sdist(tmp_path / "a.gz", {"setup.py": b"import torch", "pyproject.toml": MODERN})
    source = Source(title="demo 1.0", path=path)
    assert archive.imports_torch(source, at_once=True)
    assert read(path).backend == "hatchling.build"
    assert len(unpacked) == 1
    path.unlink()
    make_sdist(path, {"setup.py": b"", "pyproject.toml": b""})
    assert not archive.imports_torch(source, at_once=True)
    assert read(path) == LEGACY


def test_a_long_setup_is_nobodys_fault(tmp_path: Path) -> None:
    for name in ("a.gz", "a.zip"):
        path = make_sdist(tmp_path / name, {"setup.py": b"import torch" + bytes(5_000_000), "pyproject.toml": MODERN})
        assert read(path).backend == "hatchling.build"
        assert not archive.imports_torch(Source(title="demo 1.0", path=path), at_once=False)
