"""One or more wheels as the source of a layer."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from cogpack.digest import sha256
from cogpack.layers.content import LocalFile
from cogpack.layers.entry import Entry, File
from cogpack.layers.wheels.groups import title
from cogpack.layers.wheels.venv import PYTHON, SITE
from cogpack.oci import encode

_RECIPE = "wheels/1"
"""Part of the key: another one whenever the same wheels would give other entries."""


class WheelFile(msgspec.Struct, frozen=True):
    """Is a locked wheel. `sha256`: hex. `locate` gives a verified copy; it is asked only when the bytes are needed.
    `direct_url`: what its `direct_url.json` says (PEP 610), b"" for none."""

    filename: str
    sha256: str
    locate: Callable[[], LocalFile]
    direct_url: bytes = b""


Watching: TypeAlias = Callable[[WheelFile, list[File]], list[File]]
"""A wheel and its files to the same files, which are watched when they are read."""


class WheelsSource:
    """Gives the files of some wheels in the virtual environment, as a layer."""

    def __init__(self, wheels: Sequence[WheelFile], *, built: bool = False, watching: Watching | None = None) -> None:
        """`built`: nobody publishes them, which the layer's name says."""
        self._watching = watching
        self._kind = "built ones" if built else "small ones"
        self.wheels = sorted(wheels, key=lambda wheel: (wheel.filename, wheel.sha256))

    @property
    def name(self) -> str:
        return f"wheels: {title((wheel.filename for wheel in self.wheels), self._kind)}"

    def key(self) -> str:
        """Name it by the wheels' digests, and where sources are from: neither Python's minor nor another wheel is in
        it."""
        named = sorted([wheel.sha256, wheel.direct_url.decode()] for wheel in self.wheels if wheel.direct_url)
        hashes = sorted(wheel.sha256 for wheel in self.wheels)
        return sha256(encode([_RECIPE, SITE, PYTHON, hashes, *([named] if named else [])]))

    def entries(self) -> Iterable[Entry]:
        """Take of a path that several wheels hold the first one's by name: so the layer depends on these wheels alone.

        Where another wheel should have it, a layer above says so (`ClashesSource`).
        """
        from cogpack.layers.wheels.placing import wheel_files

        found: dict[str, File] = {}
        for wheel in self.wheels:
            files = wheel_files(wheel.locate(), wheel.filename, wheel.direct_url)
            for file in self._watching(wheel, files) if self._watching else files:
                found.setdefault(file.path, file)
        return found.values()
