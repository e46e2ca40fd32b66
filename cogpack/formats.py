"""Formats of images: a lock names one, and the same lock gives the same bytes, by this cogpack and by later ones.

A format is a set of rules that decide bytes and may change. What a later cogpack does otherwise it does in a new
format, so that an upgrade of cogpack alone moves no layer: a lock keeps its format until `cogpack lock
--upgrade-format`. A format that a release has once had is built by that release and by at least the next two minor
ones. Format 2 is not in any release yet: until it is, its rules may still change.

All rules that differ between formats stand in `ImageRules`, and nowhere else does code ask for a format's number.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from cogpack import __version__
from cogpack.errors import InputError, MismatchError


class ImageRules(msgspec.Struct, frozen=True, kw_only=True):
    """One format. `since`: the first cogpack that builds it."""

    since: str


FORMATS: Mapping[int, ImageRules] = MappingProxyType({2: ImageRules(since="0.2.0")})
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
