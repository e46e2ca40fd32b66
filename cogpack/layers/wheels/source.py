"""One or more wheels as the source of a layer."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.layers.content import Bytes, Content, LocalFile
from cogpack.layers.entry import Entry, File, parents
from cogpack.layers.wheels.content import ZipContent
from cogpack.layers.wheels.groups import title
from cogpack.layers.wheels.tree import wheel_files
from cogpack.layers.wheels.venv import PYTHON, SITE
from cogpack.oci import encode

_RECIPE = "wheels/1"
"""Part of the key: another one whenever the same wheels would give other entries."""


class WheelFile(msgspec.Struct, frozen=True):
    """A locked wheel. `sha256`: hex. `locate` gives a verified copy; it is asked only when the bytes are needed."""

    filename: str
    sha256: str
    locate: Callable[[], LocalFile]


class WheelsSource:
    """A `LayerSource`: the files of some wheels in the virtual environment."""

    def __init__(self, wheels: Sequence[WheelFile]) -> None:
        self._wheels = sorted(wheels, key=lambda wheel: (wheel.filename, wheel.sha256))

    @property
    def name(self) -> str:
        return f"wheels: {title(wheel.filename for wheel in self._wheels)}"

    def key(self) -> str:
        """Made of the wheels' digests alone: neither Python's minor nor any other wheel of the image is in it."""
        return sha256(encode([_RECIPE, SITE, PYTHON, sorted(wheel.sha256 for wheel in self._wheels)]))

    def entries(self) -> Iterable[Entry]:
        owners = _Owners()
        return [file for wheel in self._wheels for file in owners.new(wheel)]


def check_clashes(wheels: Iterable[WheelFile]) -> None:
    """Refuse wheels that would write different bytes to one path of the image, whatever layers they are in."""
    owners = _Owners()
    for wheel in sorted(wheels, key=lambda wheel: (wheel.filename, wheel.sha256)):
        for _ in owners.new(wheel):
            pass


class _Owners:
    """Who has which path. Equal bytes twice are fine (`nvidia/__init__.py`); the first wheel by name brings them.

    Bytes count as equal by size and CRC-32, which the zip tells without inflating: enough against accidents.
    """

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, int, int]] = {}
        self._directories: dict[str, str] = {}

    def new(self, wheel: WheelFile) -> Iterator[File]:
        """The files of `wheel` that no earlier one has."""
        for file in wheel_files(wheel.locate(), wheel.filename):
            found = (wheel.filename, file.content.size, _crc32(file.content))
            held = self._files.setdefault(file.path, found)
            if held[1:] != found[1:]:
                raise _clash(file.path, held[0], wheel.filename)
            if file.path in self._directories:
                raise _clash(file.path, self._directories[file.path], wheel.filename)
            for parent in parents(file.path):
                if parent in self._files:
                    raise _clash(parent, self._files[parent][0], wheel.filename)
                self._directories.setdefault(parent, wheel.filename)
            if held is found:
                yield file


def _crc32(content: Content) -> int:
    if isinstance(content, ZipContent):
        return content.member.crc32
    assert isinstance(content, Bytes)
    return zlib.crc32(content.data)


def _clash(path: str, first: str, second: str) -> InputError:
    what = f"both have their own /{path}" if first != second else f"has /{path} as a file and as a directory"
    who = f"{first} and {second}" if first != second else first
    return InputError(f"{who} {what}", next_step="remove one of the packages; pip would overwrite silently")
