"""What known lines of `build.run` make lies in layers of its own: here each kind of effect says in which.

Commands that are run see all of it.
"""

from collections.abc import Mapping

import msgspec

from cogpack.artifacts import Input
from cogpack.layers.built import BuiltLayer


class LineLayers(msgspec.Struct, frozen=True, kw_only=True):
    """Has the layers of known lines, each kind's in order. `large`: of weight size, which lie among the weights;
    `small`: the rest, right below what commands change; `inputs`: the files that a layer is made of, by its key."""

    large: tuple[BuiltLayer, ...] = ()
    small: tuple[BuiltLayer, ...] = ()
    inputs: Mapping[str, tuple[Input, ...]] = {}
