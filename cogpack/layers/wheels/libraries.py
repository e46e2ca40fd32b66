"""The libraries in wheels, as the dynamic linker sees them: read once on a machine, and kept by the wheel's sha256.

What is kept decides bytes of layers, so it is under a seal.
"""

import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import Digest
from cogpack.disk import write_whole, writing
from cogpack.elf import Elf, read_elf
from cogpack.errors import CogpackError
from cogpack.layers.content import read_anywhere
from cogpack.layers.wheels.placing import wheel_files
from cogpack.layers.wheels.source import WheelFile
from cogpack.seal import THIS_RUN, Seal

_LIBRARY = re.compile(r".*\.so(?:\.[0-9.]+)?", re.DOTALL)


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
_FORMAT = f"1-{zlib.crc32(' '.join(_FIELDS).encode()):08x}"
_DECODER = msgspec.msgpack.Decoder(tuple[WheelLibrary, ...])


class Unresolved(msgspec.Struct, frozen=True, array_like=True):
    """Says that the library `by` of a wheel, a path in the site directory, is linked with `soname`, which nobody
    has."""

    wheel: str
    by: str
    soname: str


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
        data = self._opened(f"{sha256}.{_FORMAT}")
        if data is not None:
            return _DECODER.decode(data)
        return self._told[sha256]() if sha256 in self._told else None

    def of(self, wheel: WheelFile) -> tuple[WheelLibrary, ...]:
        """Give those of `wheel`, in the order of their paths. It is read to its end where nobody has read it."""
        if (found := self.kept(wheel.sha256)) is not None:
            return found
        found = _read(wheel)
        self._write(f"{wheel.sha256}.{_FORMAT}", msgspec.msgpack.encode(found))
        return found

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
            return self._seal.open(name, path.read_bytes())
        except OSError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        if self._directory is not None:
            path = self._directory / name[:2] / name
            with suppress(CogpackError), writing(self._directory):  # it is read again, then
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, iter((self._seal.close(name, data),)))


def _read(wheel: WheelFile) -> tuple[WheelLibrary, ...]:
    found: list[WheelLibrary] = []
    for file in sorted(wheel_files(wheel.locate(), wheel.filename), key=lambda file: file.path):
        if _LIBRARY.fullmatch(file.path):
            with read_anywhere(file.content) as read:
                elf = read_elf(read)
            if elf is not None:
                found.append(WheelLibrary(file.path, file.content.size, elf))
    return tuple(found)
