"""Wheels become layers: their files go to the virtual environment, read where they lie in the zip.

`wheel`: what a wheel says of itself · `placing`: where its files go · `archive`, `zipped`: the zip, and a member of it
as content · `outline`: a wheel on a server, by its central directory · `groups`: which share a layer · `source`: the
layer · `venv`: the environment without wheels · `clashes`, `order`: paths that several hold, and who has them ·
`libraries`: what they have for the dynamic linker · `modules`: what they have for `import`.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.layers.wheels.clashes import ClashesSource, find_clashes
    from cogpack.layers.wheels.groups import group, is_hidden
    from cogpack.layers.wheels.libraries import WheelLibraries, WheelLibrary
    from cogpack.layers.wheels.outline import Outline
    from cogpack.layers.wheels.source import WheelFile, WheelsSource
    from cogpack.layers.wheels.venv import VenvSource, local_names

__all__ = [
    "ClashesSource",
    "Outline",
    "VenvSource",
    "WheelFile",
    "WheelLibraries",
    "WheelLibrary",
    "WheelsSource",
    "find_clashes",
    "group",
    "is_hidden",
    "local_names",
]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "clashes": ("ClashesSource", "find_clashes"),
            "groups": ("group", "is_hidden"),
            "libraries": ("WheelLibraries", "WheelLibrary"),
            "outline": ("Outline",),
            "source": ("WheelFile", "WheelsSource"),
            "venv": ("VenvSource", "local_names"),
        },
    )
