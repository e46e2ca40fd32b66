"""Wheels as layers: their files at their places in the virtual environment, read where they lie in the zip."""

from cogpack.layers.wheels.groups import group
from cogpack.layers.wheels.source import WheelFile, WheelsSource, check_clashes
from cogpack.layers.wheels.venv import VenvSource

__all__ = ["VenvSource", "WheelFile", "WheelsSource", "check_clashes", "group"]
