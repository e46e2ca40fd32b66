"""Wheels as layers: their files at their places in the virtual environment, read where they lie in the zip."""

from cogpack.layers.wheels.clashes import ClashesSource, find_clashes, is_hidden
from cogpack.layers.wheels.groups import group
from cogpack.layers.wheels.outline import Outline
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.layers.wheels.venv import VenvSource

__all__ = [
    "ClashesSource",
    "Outline",
    "VenvSource",
    "WheelFile",
    "WheelsSource",
    "find_clashes",
    "group",
    "is_hidden",
]
