"""Requirements to exact wheels for a target interpreter, by uv; and locked wheels to addresses."""

from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import Resolved, resolve_wheels, wheel_urls
from cogpack.resolve.wheels.target import TargetPython

__all__ = ["Indexes", "Resolved", "TargetPython", "resolve_wheels", "wheel_urls"]
