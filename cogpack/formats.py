"""Formats of images: a lock names one, and the same lock gives the same bytes, by this cogpack and by later ones.

A format is a set of rules that decide bytes and may change. What a later cogpack does otherwise it does in a new
format, so that an upgrade of cogpack alone moves no layer: a lock keeps its format until `cogpack lock
--upgrade-format`. A format that a release has once had is built by that release and by at least the next two minor
ones. Format 2 is not in any release yet: until it is, its rules may still change.

All rules that may differ between formats stand in `ImageRules`, which a plan gets by its lock's format; no other code
asks for a number of one. A rule that gets a second way becomes a field here, with a value for each format. What no
format has otherwise yet stands where it is used, and in a recipe or a codec profile that is part of the layer's key.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from cogpack import __version__
from cogpack.errors import InputError, MismatchError
from cogpack.sizes import MiB


class ImageRules(msgspec.Struct, frozen=True, kw_only=True):
    """One format. `since`: the first cogpack that builds it.

    `large_wheel`: bytes from which a wheel, or a Debian package, is a layer of its own; most of the bytes are shared,
    and the layers stay few. `weight_streams`: layers that all weights together are split into, about;
    `weight_layer_sizes`: the bytes that they may be split to, rising, of which the one that comes nearest to that is
    taken (docs/weights.md).
    """

    since: str
    large_wheel: int
    weight_streams: int
    weight_layer_sizes: tuple[int, ...]


FORMATS: Mapping[int, ImageRules] = MappingProxyType(
    {
        2: ImageRules(
            since="0.2.0",
            large_wheel=4_000_000,
            weight_streams=48,
            weight_layer_sizes=(128 * MiB, 256 * MiB, 512 * MiB, 1024 * MiB),
        )
    }
)
"""All that this cogpack builds, by their numbers; new locks take the highest. Format 1, of cogpack 0.1, is none."""


def check_format(number: int, formats: Mapping[int, ImageRules], *, where: str, requires: str) -> None:
    """Refuse format `number` where it is none of `formats`. `where`: the file that names it; `requires`: what that file
    says can build it."""
    if number in formats:
        return
    known = " and ".join(map(str, sorted(formats)))
    text = f"{where} is of image format {number}; this is cogpack {__version__}, which builds {known}"
    if number < min(formats):
        raise MismatchError(text, next_step="run cogpack lock, which keeps its pins and takes the newest format")
    raise InputError(text, next_step=f"install {requires}")
