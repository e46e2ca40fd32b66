"""Wheels as layers: read in place, turned straight into entries of a virtual environment."""

from cogpack.layers.wheels.grouping import group
from cogpack.layers.wheels.source import WheelFile, WheelsSource, merge
from cogpack.layers.wheels.venv import VenvSource

__all__ = ["VenvSource", "WheelFile", "WheelsSource", "group", "merge"]
