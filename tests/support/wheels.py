"""Small wheels, made by hand so that they can also be made wrong."""

import hashlib
from pathlib import Path

from made import make_wheel, record_row

from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.source import WheelFile

__all__ = ["make_wheel", "record_row", "wheel_file"]


def wheel_file(path: Path) -> WheelFile:
    return WheelFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), lambda: LocalFile.of(path))
