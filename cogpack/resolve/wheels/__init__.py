"""uv resolves requirements to exact wheels for a target interpreter, and finds where locked wheels are to be had.

`resolver` asks, by `compile` (uv as a subprocess) and `failures` (what it says), for `target`, of `indexes`, whose
addresses may hold `variables`; `choice` takes one wheel of each version; `sources`: what it wants of who has
wheels that no index has; `import_names`: what brings a module.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.resolve.wheels.import_names import DISTRIBUTIONS
    from cogpack.resolve.wheels.indexes import Indexes
    from cogpack.resolve.wheels.resolver import Resolved, resolve_wheels, wheel_urls
    from cogpack.resolve.wheels.sources import Neighbours, Sources
    from cogpack.resolve.wheels.target import TargetPython

__all__ = [
    "DISTRIBUTIONS",
    "Indexes",
    "Neighbours",
    "Resolved",
    "Sources",
    "TargetPython",
    "resolve_wheels",
    "wheel_urls",
]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "import_names": ("DISTRIBUTIONS",),
            "indexes": ("Indexes",),
            "resolver": ("Resolved", "resolve_wheels", "wheel_urls"),
            "sources": ("Neighbours", "Sources"),
            "target": ("TargetPython",),
        },
    )
