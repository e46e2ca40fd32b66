"""What sources compile to is kept, a pack for each wheel: who builds again, with another wheel changed, compiles that.

A pack is a sealed head (paths and sizes, and a hash of the rest), and the bytecode of one file after the other. It
decides bytes of layers, so only what this user wrote counts.
"""

import os
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import msgspec
from blake3 import blake3

from cogpack.disk import UNFINISHED, write_whole, writing
from cogpack.errors import CogpackError, InputError
from cogpack.layers.content import Content
from cogpack.layers.spool import Spool, Spooled
from cogpack.layers.tar import read
from cogpack.seal import Seal
from cogpack.sizes import MiB

VERSION = 4
"""Part of each key: another one whenever the same sources would be compiled to something else."""

_LARGEST_HEAD = 64 * MiB
_HEADER = 16
_CHECKED = b"\x03\0\0\0"


class SourceFile(msgspec.Struct, frozen=True):
    """Is a Python file: its `path` in the image, and the one by which it is imported, which tracebacks name."""

    path: str
    imported: str
    content: Content


class Unit(msgspec.Struct, frozen=True):
    """Is what is compiled and kept together. `key`: names the files, in hex; `files` reads them."""

    key: str
    files: Callable[[], Iterable[SourceFile]]


class Compiler(Protocol):
    """Runs `program` by the Python that the lock names."""

    def compile(self, place: Path, parts: int) -> None:
        """Compile what lies in a directory, in so many parts; `InputError` where there is no such Python."""

    def check(self) -> None:
        """Raise that error where it is sure beforehand."""


Compiled: TypeAlias = Mapping[str, Spooled]
"""Bytecode by the path of its source; of one that can't be compiled, none."""


class Packs:
    """Knows what units compile to. `cache`: where that is kept, under this `seal`, in `bytecode`, and made in `trees`,
    by `jobs` processes; `used` is told of each path before it is looked for; `wanted` raises when it is that no
    more. Unless `trusting`, all is compiled anew."""

    def __init__(
        self,
        cache: Path,
        compiler: Compiler,
        *,
        seal: Seal,
        used: Callable[[Path], None],
        wanted: Callable[[], None],
        jobs: int,
        trusting: bool = True,
    ) -> None:
        self._cache = cache
        self._compiler = compiler
        self._seal = seal
        self._used = used
        self._wanted = wanted
        self._jobs = jobs
        self._trusting = trusting
        self._turn = threading.Lock()

    def check(self) -> None:
        """Raise an `InputError` where it is sure that nobody here can compile."""
        self._compiler.check()

    def has(self, unit: Unit) -> bool:
        """Tell whether it seems to be kept."""
        self._used(self._path(unit))
        return self._trusting and self._path(unit).is_file()

    def of(self, units: Sequence[Unit]) -> Sequence[Compiled]:
        """Give what each unit compiles to. What is not kept is compiled, all at once; of several threads one after the
        other, since each takes all processors."""
        spool = Spool(self._cache, self._wanted)
        with self._turn:
            found = {unit.key: self._kept(unit, spool) if self._trusting else None for unit in units}
            missing = [unit for unit in units if found[unit.key] is None]
            if missing:
                found |= self._made(missing, spool)
        return [one for unit in units if (one := found[unit.key]) is not None]

    def _path(self, unit: Unit) -> Path:
        return self._cache / "bytecode" / unit.key[:2] / unit.key

    def _kept(self, unit: Unit, spool: Spool) -> Compiled | None:
        self._used(self._path(unit))
        with suppress(OSError, msgspec.MsgspecError), self._path(unit).open("rb") as stream:
            size = int.from_bytes(stream.read(4), "big")  # whose file may be sparse, and take no room
            if size > _LARGEST_HEAD or (head := self._seal.open(f"bytecode {unit.key}", stream.read(size))) is None:
                return None
            digest, sizes = msgspec.msgpack.decode(head, type=tuple[bytes, dict[str, int]])
            hasher = blake3()
            found = {path: spool.write(_hashed(stream, size, hasher), size) for path, size in sizes.items()}
            return found if hasher.digest() == digest else None
        return None

    def _keep(self, unit: Unit, compiled: Compiled) -> None:
        hasher = blake3()
        for one in compiled.values():
            for block in read(one):
                hasher.update(block)
        sizes = {path: one.size for path, one in compiled.items()}
        head = self._seal.close(f"bytecode {unit.key}", msgspec.msgpack.encode((hasher.digest(), sizes)))
        path = self._path(unit)
        if len(head) > _LARGEST_HEAD:
            return
        with suppress(CogpackError), writing(path):  # it is compiled again, then
            path.parent.mkdir(parents=True, exist_ok=True)
            blocks = (block for one in compiled.values() for block in read(one))
            write_whole(path, chain((len(head).to_bytes(4, "big"), head), blocks), mode=0o600)

    def _made(self, units: Sequence[Unit], spool: Spool) -> Mapping[str, Compiled]:
        place = self._cache / "trees" / f"{UNFINISHED}{secrets.token_hex(8)}"
        self._used(place)
        with writing(place):
            place.mkdir(mode=0o700, parents=True)
        try:
            order = self._write(units, place)
            parts = max((part for files in order.values() for _, part, _ in files), default=-1) + 1
            if parts:
                self._compiler.compile(place, parts)
            made: dict[str, Compiled] = {}
            with ExitStack() as stack:
                outs = [stack.enter_context(_opened(place / f"{part}.out")) for part in range(parts)]
                for unit in units:
                    made[unit.key] = {
                        path: _bytecode(outs[part], path, size, spool) for path, part, size in order[unit.key]
                    }
                    self._keep(unit, made[unit.key])
            return made
        finally:
            _remove(place)

    def _write(self, units: Sequence[Unit], place: Path) -> Mapping[str, Sequence[tuple[str, int, int]]]:
        """Write what is to be compiled, in parts of like size; tell of each file in which it is, and its size."""
        from cogpack.layers.bytecode.program import LARGEST

        order: dict[str, list[tuple[str, int, int]]] = {}
        with ExitStack() as stack, writing(place):
            parts: list[BinaryIO] = []
            for unit in units:
                files = order[unit.key] = []
                for file in unit.files():
                    if file.content.size > LARGEST:
                        continue
                    self._wanted()
                    if len(parts) < self._jobs:
                        parts.append(stack.enter_context((place / f"{len(parts)}.in").open("xb")))
                    part = min(range(len(parts)), key=lambda at: parts[at].tell())
                    name = file.imported.encode()
                    parts[part].write(len(name).to_bytes(4, "big") + file.content.size.to_bytes(4, "big") + name)
                    parts[part].writelines(read(file.content))
                    files.append((file.path, part, file.content.size))
        return order


def _hashed(stream: BinaryIO, size: int, hasher: blake3) -> Iterator[bytes]:
    block = stream.read(size)
    if len(block) != size:
        raise OSError("it ends too soon")
    hasher.update(block)
    yield block


def _opened(path: Path) -> BinaryIO:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _unlike(str(path))
    return os.fdopen(file, "rb")


def _bytecode(stream: BinaryIO, path: str, source: int, spool: Spool) -> Spooled:
    from cogpack.layers.bytecode.program import most

    head = stream.read(4)
    size = int.from_bytes(head, "big")
    data = stream.read(size) if size <= most(source) else b""
    if len(head) != 4 or len(data) != size or (data and (size <= _HEADER or data[4:8] != _CHECKED)):
        raise _unlike(f"/{path}")
    return spool.write((data,), size)


def _unlike(where: str) -> InputError:
    return InputError(
        f"{where}: the Python that compiles for the image gave no bytecode", next_step="check that Python"
    )


def _remove(place: Path) -> None:
    for path in place.iterdir():
        if path.is_dir() and not path.is_symlink():  # which no program of ours makes
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    with suppress(OSError):
        place.rmdir()
