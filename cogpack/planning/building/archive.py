"""A source is one archive, whatever it was, and says in pyproject.toml what it is built with."""

import ast
import bz2
import lzma
import os
import stat
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, TypeAlias

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from cogpack import toml
from cogpack.decompress import decompressed, old_streams
from cogpack.disk import reading, writing
from cogpack.errors import InputError
from cogpack.locking.wheels.building import ANOTHER, Source
from cogpack.requirements.model import VARIABLE
from cogpack.sizes import BLOCK
from cogpack.untar import Untar

EPOCH = 315532800
"""1980-01-01, UTC: the first moment that a zip archive can name."""

_LIMIT = 4 * 1024 * 1024
"""Bytes of a pyproject.toml, or a setup.py."""
_PARSED = 512 * 1024
"""Bytes of a setup.py that is parsed, for which Python takes a hundred times as much."""
_READ = ("pyproject.toml", "setup.py")
_OTHERS: dict[bytes, Callable[[], "bz2.BZ2Decompressor | lzma.LZMADecompressor"]] = {
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_MEMORY),
}
"""By how they begin: old compressions that only sources have."""

_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    RuntimeError,  # of a method that zipfile does not know, too
)
"""What reading one that is damaged, or made to harm, may raise."""
_MEMORY = 256 * 1024 * 1024
"""Bytes that xz may take: ten times what its highest level wants."""
_BOMB, _RATIO = 256 * 1024 * 1024, 64
"""Bytes that any archive may unpack to before its pyproject.toml is found; beyond, so many times its own."""

_UNREADABLE = "let it be read, or take it out of the project"

_Path: TypeAlias = tuple[str, ...]


class BuildSystem(msgspec.Struct, frozen=True, kw_only=True):
    """Is the table `[build-system]` of a source (PEP 518, 517). `requires`: requirements as they are written."""

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] = ()


LEGACY = BuildSystem(requires=("setuptools>=40.8.0", "wheel"), backend="setuptools.build_meta:__legacy__")
"""What PEP 517 has for who says nothing; `wheel`, which setup.py of that age imports."""


def pack(source: Source, place: Path) -> Path:
    """Give its archive, which is made in `place` where it is a directory."""
    if not source.path.is_dir():
        return source.path
    packed = place / "source.tar"
    with writing(packed), tarfile.open(packed, "x", format=tarfile.PAX_FORMAT) as archive:
        for path in _paths(source.path, ""):
            _add(archive, source.path, path)
    return packed


def _paths(root: Path, above: str) -> Iterator[str]:
    with reading(root / above, _UNREADABLE):
        names = sorted(os.listdir(root / above))  # noqa: PTH208 - names alone
    for name in names:
        path = os.path.join(above, name)  # noqa: PTH118 - of the archive
        yield path
        if not (root / path).is_symlink() and (root / path).is_dir():
            yield from _paths(root, path)


def _add(archive: tarfile.TarFile, root: Path, path: str) -> None:
    """Add a file, directory or link without owner and time; nothing else is part of a project."""
    found = (root / path).lstat()
    member = tarfile.TarInfo(f"source/{path}")
    member.mtime = EPOCH
    if stat.S_ISLNK(found.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, str((root / path).readlink())
        archive.addfile(member)
    elif stat.S_ISDIR(found.st_mode):
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(member)
    elif stat.S_ISREG(found.st_mode):
        member.mode, member.size = 0o755 if found.st_mode & 0o111 else 0o644, found.st_size
        with reading(root / path, _UNREADABLE):
            stream = (root / path).open("rb")
        with stream:
            archive.addfile(member, stream)


def read_build_system(archive: Path, source: Source) -> BuildSystem:
    """Read what it asks for; `InputError` where that can't be taken."""
    data = _files(archive, source)["pyproject.toml"]
    if data is None:
        return LEGACY
    where = f"{source.title}: pyproject.toml"
    try:
        table = toml.decode(data.decode()).get("build-system")
    except (ValueError, RecursionError) as error:  # of text, of TOML, or of a number with thousands of digits
        raise _unreadable(where, str(error)) from error
    if table is None:
        return LEGACY
    try:
        found = msgspec.convert(table, _Table)
    except msgspec.ValidationError as error:
        raise _unreadable(f"{where}: build-system", str(error)) from error
    return BuildSystem(
        requires=checked_requirements(found.requires, where=f"{where}: build-system.requires"),
        backend=found.backend or LEGACY.backend,
        backend_path=found.backend_path,
    )


class _Table(msgspec.Struct, frozen=True, rename="kebab"):
    requires: tuple[str, ...]
    backend: str | None = msgspec.field(name="build-backend", default=None)
    backend_path: tuple[str, ...] = ()


def checked_requirements(lines: tuple[str, ...], *, where: str) -> tuple[str, ...]:
    """Refuse what is no requirement of a name: a line is handed to a resolver, which takes options and addresses."""
    for line in lines:
        try:
            found = Requirement(line)
        except InvalidRequirement as error:
            raise _unreadable(where, f"{line!r:.200} is no requirement ({str(error).partition(chr(10))[0]})") from error
        if found.url is not None or "\n" in line or "\r" in line:
            raise _unreadable(where, f"{line!r:.200} names an address, and what is built with comes from an index")
        if VARIABLE.search(line):  # whose value would be put there for the user's own requirements
            raise _unreadable(where, f"{line!r:.200} names a variable of this machine")
    return lines


def _unreadable(where: str, why: str) -> InputError:
    return InputError(f"{where}: {why}", next_step=ANOTHER)


def imports_torch(source: Source, *, at_once: bool) -> bool:
    """Tell whether its setup.py does; `at_once`: so that it can't run without, whatever it says that it is built
    with."""
    if source.path.is_dir():
        path = source.path / source.subdirectory / "setup.py"
        with reading(f"{source.title}: setup.py", _UNREADABLE):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _LIMIT:
                return False
            text = path.read_bytes()
    else:
        text = _files(source.path, source)["setup.py"] or b""
    if b"torch" not in text or len(text) > _PARSED:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # about its literals
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # of Python 2; with a NUL; made to harm
        return False
    return any(map(_is_of_torch, tree.body if at_once else ast.walk(tree)))


def _is_of_torch(node: ast.AST) -> bool:
    names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom) and not node.level:
        names = [node.module or ""]
    return any(name.partition(".")[0] == "torch" for name in names)


def _files(archive: Path, source: Source) -> Mapping[str, bytes | None]:
    """Read those of `_READ`; an `InputError` where they can't be."""
    try:
        status = archive.stat()
        return _read(archive, (status.st_ino, status.st_size, status.st_mtime_ns), source.subdirectory, source.title)
    except _DAMAGED as error:
        raise InputError(
            f"{source.title}: {archive.name} can't be read: {error}", next_step="fetch it again, or pin another version"
        ) from error


@lru_cache(maxsize=8)
def _read(archive: Path, _: tuple[int, ...], subdirectory: str, title: str) -> Mapping[str, bytes | None]:
    """Read them at once: one is asked for after the other, and a tar is unpacked to its end."""
    above = tuple(part for part in subdirectory.split("/") if part not in ("", "."))
    with archive.open("rb") as stream:
        is_zip = stream.read(4) == b"PK\3\4"  # zipfile.is_zipfile also says so of a tar with a zip at its end
    wanted = {name: (*above, name) for name in _READ}
    return _of_zip(archive, wanted) if is_zip else _of_tar(archive, wanted, title)


def _of_zip(archive: Path, wanted: Mapping[str, _Path]) -> Mapping[str, bytes | None]:
    with zipfile.ZipFile(archive) as packed:
        paths = {tuple(name.split("/")): name for name in packed.namelist()}
        tops = {path[:1] for path in paths}

        def read(name: str, path: _Path) -> bytes | None:
            path = path if path in paths or len(tops) > 1 else (*next(iter(tops), ()), *path)
            if path not in paths:
                return None
            try:
                with packed.open(paths[path]) as stream:
                    return _limited(name, stream.read(_LIMIT + 1))
            except _DAMAGED:
                if name == "setup.py":  # whoever builds it will tell
                    return None
                raise

        return {name: read(name, path) for name, path in wanted.items()}


def _of_tar(archive: Path, wanted: Mapping[str, _Path], title: str) -> Mapping[str, bytes | None]:
    """Read it through, since only the end tells whether there is one directory with all of it."""
    found: dict[_Path, bytes | None] = {}
    tops: set[_Path] = set()
    with archive.open("rb") as stream:
        for member in (reader := Untar(_plain(stream), where=title)):
            path = tuple(member.path.split("/"))
            tops.add(path[:1])
            name = path[-1]
            there = wanted.get(name) if member.kind == "file" else None
            if there and (path == there or (len(tops) == 1 and path == path[:1] + there)):
                data = b"".join(reader.content()) if member.size <= _LIMIT else bytes(_LIMIT + 1)
                found[path] = _limited(name, data)
    return {
        name: found.get(path if path in found or len(tops) != 1 else (*next(iter(tops)), *path))
        for name, path in wanted.items()
    }


def _plain(stream: IO[bytes]) -> Iterator[bytes]:
    """Unpack it, in bounded memory, as long as it does not grow without end."""
    head = stream.read(6)
    stream.seek(0)
    blocks = iter(lambda: stream.read(BLOCK), b"")
    made = next((make for magic, make in _OTHERS.items() if head.startswith(magic)), None)
    given = 0
    for block in old_streams(blocks, made) if made else decompressed(blocks):
        given += len(block)
        if given > _BOMB and given > _RATIO * stream.tell():
            raise EOFError(f"{stream.tell()} bytes of it make more than {given}")
        yield block


def _limited(name: str, data: bytes) -> bytes | None:
    if len(data) <= _LIMIT:
        return data
    if name == "setup.py":  # it is run, whatever it is, and nothing is said of it before
        return None
    raise EOFError(f"a file of its project has more than {_LIMIT} bytes")
