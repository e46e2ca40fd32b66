"""The libraries of a tree are found as ldconfig(8) finds them, in the order of its cache."""

import os
import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, runtime_checkable

import msgspec

from cogpack.elf.file import AMD64, ARM64, I386
from cogpack.elf.linking import read_elf
from cogpack.errors import InputError
from cogpack.layers.entry import File, Symlink
from cogpack.patterns import pattern
from cogpack.symlinks import PATH_MAX

if TYPE_CHECKING:
    from cogpack.layers.debs.effects.ldcache_file import Cache, Library
    from cogpack.layers.debs.tree import Tree

# ELF machine -> flags of its libraries for glibc 2 (elf/dl-cache.h).
_FLAGS = {AMD64: 0x0303, ARM64: 0x0A03, I386: 0x0003}
_MACHINES = {"amd64": (AMD64, I386), "arm64": (ARM64,)}
_DEPTH = 10
_MOST = 1000
"""Words of an ld.so.conf and of what it includes; Debian's has ten, and wheels of CUDA add twenty."""
_SEPARATOR = pattern(r"[:,\s]+")

CACHE = "etc/ld.so.cache"
CONF = "etc/ld.so.conf"

Order: TypeAlias = tuple[tuple[int, int], ...]


class SharedObject(msgspec.Struct, frozen=True):
    """Is what the cache wants of one: ELF's number of its machine, and DT_SONAME, "" of none."""

    machine: int
    soname: str


@runtime_checkable
class Described(Protocol):
    """Is content of which others have read what it is as a library: None of what is none."""

    @property
    def shared_object(self) -> SharedObject | None: ...


def write_cache(tree: "Tree", arch: str) -> None:
    """Add the cache, and the links from soname to file that packages left out."""
    from cogpack.layers.debs.effects.ldcache_file import Cache, format_cache

    tree.write(CACHE, format_cache(Cache(tuple(find_libraries(tree, arch)))))


def includes(tree: "Tree", conf: str) -> bool:
    """Tell whether the directories count that the file `conf` of ld.so.conf.d names."""
    return any(found == conf for found, _ in _lines(tree, CONF))


def join_caches(below: "Cache", above: "Sequence[Library]") -> "Cache":
    """Put the libraries of directories that come last of all into a cache that is there."""
    from cogpack.layers.debs.effects.ldcache_file import Cache

    return Cache(tuple(_in_order([*below.libraries, *above])), below.hwcaps)


def find_libraries(tree: "Tree", arch: str) -> "list[Library]":
    """Find the libraries in the directories of ld.so.conf and the built-in ones, in the order of the cache."""
    found: list[Library] = []
    seen: set[str] = set()
    for directory in [*_configured(tree), "/lib", "/usr/lib"]:
        real = tree.real(directory.strip("/") + "/.")
        if real not in seen:
            seen.add(real)
            found += _scan(tree, directory.rstrip("/"), real, _MACHINES[arch])
    return _in_order(found)


def _in_order(libraries: "Sequence[Library]") -> "list[Library]":
    """Put the highest name first; of equal names that of 64 bits, then the one of the earlier directory (a reversed
    sort is stable, too)."""
    return sorted(libraries, key=lambda library: (_order(library.soname), library.flags), reverse=True)


def _configured(tree: "Tree") -> list[str]:
    """Give the directories that ld.so.conf names, with the files it includes."""
    found: list[str] = []
    for _, line in _lines(tree, CONF):
        if line.split()[:1] not in ([], ["hwcap"]):
            found += [word for word in _SEPARATOR.split(line) if word.startswith("/")]
    return found


def _lines(tree: "Tree", path: str, depth: int = 0, left: Iterator[int] | None = None) -> Iterator[tuple[str, str]]:
    """Give each line of an ld.so.conf, and of the files it includes in their places, with the path of the file. `left`:
    counts down how much of it all is read."""
    left = left or iter(range(_MOST))
    for text in (tree.read(path) or b"").decode("utf-8", "replace").splitlines():
        line = text.partition("#")[0].strip()
        words = line.split()
        if words[:1] != ["include"]:
            _count(left, line)
            yield path, line
        elif depth < _DEPTH:
            _count(left, line)
            for pattern in words[1:]:
                directory, _, name = posixpath.normpath(posixpath.join("/etc", pattern)).lstrip("/").rpartition("/")
                for child in tree.children(directory):
                    if fnmatchcase(child, name):
                        yield from _lines(tree, f"{directory}/{child}", depth + 1, left)


def _count(left: Iterator[int], line: str) -> None:
    """Refuse what takes hours: for each word of a line a directory is looked through."""
    if any(next(left, None) is None or len(word) > PATH_MAX for word in _SEPARATOR.split(line)):
        raise InputError(
            f"/{CONF}: with what it includes it has more than {_MOST} words, or one that is longer than any path",
            next_step="choose another base",
        )


def _scan(tree: "Tree", directory: str, real: str, machines: Collection[int]) -> "list[Library]":
    """Find one directory's libraries. Of several files of one soname, a file beats a link, then the higher name."""
    from cogpack.layers.debs.effects.ldcache_file import Library

    best: dict[tuple[str, int], tuple[bool, Order, str]] = {}
    for name in tree.children(real):
        if not (name.startswith(("lib", "ld-")) and ".so" in name):
            continue
        entry = tree.get(f"{real}/{name}")
        is_link = isinstance(entry, Symlink)
        target = tree.follow(f"{real}/{name}")
        elf = _shared_object(target) if isinstance(target, File) else None
        if elf is None or elf.machine not in machines:
            continue
        soname = elf.soname or name
        # A link counts under its own name where that is the soname, or the linker's libx.so for libx.so.1.
        is_link = is_link and (name == soname or (name.endswith(".so") and soname.startswith(name)))
        if is_link:
            soname = name
        rank = (not is_link, _order(name), name)
        key = (soname, elf.machine)
        if key not in best or rank > best[key]:
            best[key] = rank
    for (soname, _), (_, _, name) in sorted(best.items()):
        if f"{real}/{soname}" not in tree:
            tree.link(f"{real}/{soname}", name)
    return [Library(soname, f"{directory}/{soname}", _FLAGS[machine]) for soname, machine in sorted(best)]


def _shared_object(file: File) -> SharedObject | None:
    if isinstance(file.content, Described):
        return file.content.shared_object
    with file.content.open() as stream:
        return read_shared_object(stream)


def read_shared_object(stream: BinaryIO) -> SharedObject | None:
    """Read what the cache wants of a shared object; None of anything else."""

    length = stream.seek(0, os.SEEK_END)

    def read(offset: int, size: int) -> bytes:
        if offset >= length:  # which may be beyond what a file system lets anybody seek to
            return b""
        stream.seek(offset)
        return stream.read(size)

    found = read_elf(read, narrow=True)
    return SharedObject(found.machine, found.soname or "") if found is not None and found.shared else None


def _order(name: str) -> Order:
    """Sort as glibc's `_dl_cache_libcmp`: runs of digits as numbers, and numbers after everything else."""
    parts = re.findall(r"([0-9]{1,18})|([^0-9])", name)
    return tuple((1, int(digits)) if digits else (0, ord(letter)) for digits, letter in parts)
