"""The libraries in wheels, as the dynamic linker sees them: learnt once on a machine, by the pass that makes a wheel's
layer or by one of its own, and kept by the wheel's sha256.

What is kept decides bytes of layers, so it is under a seal.
"""

import re
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec

from cogpack.digest import Digest
from cogpack.disk import write_hint
from cogpack.elf.linking import Elf
from cogpack.layers.content import Content, read_anywhere
from cogpack.layers.entry import File
from cogpack.layers.wheels.source import WheelFile
from cogpack.patterns import pattern
from cogpack.seal import THIS_RUN, Seal

LIBRARY = pattern(r".*\.so(?:\.[0-9][0-9a-z.]*)?", re.DOTALL)
"""As libcrypto.so.1.1.1k, too."""


class WheelLibrary(msgspec.Struct, frozen=True, array_like=True):
    """Is a library of a wheel: `path` in the image, and what it tells the dynamic linker."""

    path: str
    size: int
    elf: Elf

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]


_FIELDS = (*WheelLibrary.__struct_fields__, *Elf.__struct_fields__)
_FORMAT = f"2-{zlib.crc32(' '.join(_FIELDS).encode()):08x}"
_DECODER = msgspec.msgpack.Decoder(tuple[WheelLibrary, ...])


class Unresolved(msgspec.Struct, frozen=True, array_like=True):
    """Says that the library `by` of a wheel, a path in the site directory, is linked with `soname`, which nobody has;
    or with its `version`, where the system `has` an older one; or wants `symbol`, and none that it is linked with has
    it."""

    wheel: str
    by: str
    soname: str
    version: str = ""
    has: str = ""
    symbol: str = ""


_LACKING = f"2-{zlib.crc32(' '.join(Unresolved.__struct_fields__).encode()):08x}"
_LACKING_DECODER = msgspec.msgpack.Decoder(tuple[Unresolved, ...])


class WheelLibraries:
    """Knows the libraries of wheels. `directory`: where that is kept, with this `seal`; None: nowhere. `used` is told
    of each file there before it is looked for."""

    def __init__(
        self, directory: Path | None = None, seal: Seal = THIS_RUN, *, used: Callable[[Path], None] = lambda _: None
    ) -> None:
        self._directory = directory
        self._seal = seal
        self._used = used
        self._learnt: dict[str, tuple[WheelLibrary, ...]] = {}
        self._told: dict[str, Callable[[], tuple[WheelLibrary, ...] | None]] = {}

    def told(self, sha256: str, libraries: Callable[[], tuple[WheelLibrary, ...] | None]) -> None:
        """Hear, for this run, who else knows those of the wheel of this digest, and may decide; he is asked where
        nobody has read it here."""
        self._told[sha256] = libraries

    @property
    def is_told(self) -> bool:
        return bool(self._told)

    def kept(self, sha256: str) -> tuple[WheelLibrary, ...] | None:
        """Give those of the wheel of this digest, if it was read before or they were told."""
        found = self._read_here(sha256)
        return self._told[sha256]() if found is None and sha256 in self._told else found

    def _read_here(self, sha256: str) -> tuple[WheelLibrary, ...] | None:
        if sha256 not in self._learnt and (data := self._opened(f"{sha256}.{_FORMAT}")) is not None:
            self._learnt[sha256] = _DECODER.decode(data)
        return self._learnt.get(sha256)

    def of(self, wheel: WheelFile) -> tuple[WheelLibrary, ...]:
        """Give those of `wheel`, in the order of their paths. It is read to its end where nobody has read it."""
        if (found := self.kept(wheel.sha256)) is not None:
            return found
        found = _read(wheel)
        self._keep(wheel.sha256, found)
        return found

    def watched(self, wheel: WheelFile, files: Iterable[File]) -> list[File]:
        """Give the `files` of `wheel` so that who reads them all to their ends has taught what its libraries are."""
        found = list(files)
        libraries = [file for file in found if LIBRARY.fullmatch(file.path) and file.content.size]
        if wheel.filename.endswith("-any.whl") or self._read_here(wheel.sha256) is not None:
            return found
        if not libraries:
            self._keep(wheel.sha256, ())
            return found
        learning = _Learning({file.path for file in libraries}, partial(self._keep, wheel.sha256))
        watched = {file.path: learning.watched(file) for file in libraries}
        return [watched.get(file.path, file) for file in found]

    def _keep(self, sha256: str, found: tuple[WheelLibrary, ...]) -> None:
        self._learnt[sha256] = found
        self._write(f"{sha256}.{_FORMAT}", msgspec.msgpack.encode(found))

    def lacking(self, question: Digest) -> tuple[Unresolved, ...] | None:
        """Give what was once found to be lacking, by what that follows from."""
        data = self._opened(f"{question.removeprefix('sha256:')}.{_LACKING}")
        return None if data is None else _LACKING_DECODER.decode(data)

    def found_lacking(self, question: Digest, found: tuple[Unresolved, ...]) -> None:
        self._write(f"{question.removeprefix('sha256:')}.{_LACKING}", msgspec.msgpack.encode(found))

    def _opened(self, name: str) -> bytes | None:
        if self._directory is None:
            return None
        path = self._directory / name[:2] / name
        self._used(path)
        try:
            return self._seal.read(name, path)
        except OSError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        if self._directory is not None:
            write_hint(self._directory / name[:2] / name, self._seal.close(name, data), lambda _: None)


class _Learning:
    """Collects what one pass tells of the libraries `paths` of a wheel, and hands them to `keep` when it has all."""

    def __init__(self, paths: set[str], keep: Callable[[tuple[WheelLibrary, ...]], None]) -> None:
        self._left = paths
        self._keep = keep
        self._found: list[WheelLibrary] = []

    def watched(self, file: File) -> File:
        from cogpack.layers.watched import Watched

        content = Watched(file.content, partial(_Watch, file.path, file.content, self.learn))
        return msgspec.structs.replace(file, content=content)

    def learn(self, path: str, size: int, elf: Elf | None) -> None:
        if path not in self._left:  # it was read twice
            return
        self._left.remove(path)
        if elf is not None:
            self._found.append(WheelLibrary(path, size, elf))
        if not self._left:
            self._keep(tuple(sorted(self._found, key=lambda one: one.path)))


class _Watch:
    """Is the `Watch` over one reading of a library."""

    def __init__(self, path: str, content: Content, learn: Callable[[str, int, Elf | None], None]) -> None:
        from cogpack.elf.passing import PassingElf

        self._path = path
        self._content = content
        self._learn = learn
        self._passing = PassingElf(content.size, self._again)
        self.see = self._passing.see

    def end(self) -> None:
        self._learn(self._path, self._content.size, self._passing.elf())

    def _again(self, offset: int, size: int) -> bytes:
        with read_anywhere(self._content) as read:
            return read(offset, size)


def _read(wheel: WheelFile) -> tuple[WheelLibrary, ...]:
    from cogpack.elf.linking import read_elf
    from cogpack.layers.wheels.placing import wheel_files

    found: list[WheelLibrary] = []
    for file in sorted(wheel_files(wheel.locate(), wheel.filename), key=lambda file: file.path):
        if LIBRARY.fullmatch(file.path):
            with read_anywhere(file.content) as read:
                elf = read_elf(read)
            if elf is not None:
                found.append(WheelLibrary(file.path, file.content.size, elf))
    return tuple(found)
