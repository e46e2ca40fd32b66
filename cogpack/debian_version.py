"""Debian version numbers are made into keys that sort as dpkg sorts them (Debian Policy 5.6.12, deb-version(7))."""

import re
from functools import lru_cache
from typing import TypeAlias

from cogpack.errors import InputError

VersionKey: TypeAlias = tuple[int, tuple[tuple[tuple[int, ...], int], ...], tuple[tuple[tuple[int, ...], int], ...]]
"""Compares like the version it was made of: epoch, upstream version, revision."""

_PARTS = re.compile(r"(\D*)(\d*)")
_VERSION = re.compile(r"(?:(\d{1,9}):)?([0-9A-Za-z.+~-]{1,200}?)(?:-([0-9A-Za-z.+~]{0,100}))?", re.ASCII)
_END = 0


@lru_cache(maxsize=65536)
def version_key(version: str) -> VersionKey:
    """Make the sort key of `version`: `version_key(a) < version_key(b)` as dpkg orders them."""
    matched = _VERSION.fullmatch(version)
    if matched is None:
        raise InputError(
            f"{version!r:.120} is not a Debian version", next_step="write it as `apt-cache policy` shows it: 1:2.39-1"
        )
    epoch, upstream, revision = matched.groups()
    return int(epoch or 0), _key(upstream), _key(revision or "")


def _key(part: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    pairs = [((*map(_weight, text), _END), int(digits or 0)) for text, digits in _PARTS.findall(part)]
    # Nothing is what follows the last part, as often as one asks: pairs that say so go, and two stay, since the first
    # pair of "0~" says so as well.
    while pairs and pairs[-1] == ((_END,), 0):
        pairs.pop()
    return (*pairs, ((_END,), 0), ((_END,), 0))


def _weight(character: str) -> int:
    """Sort `~` before the end of the text, the end before letters, letters before everything else."""
    if character == "~":
        return _END - 1
    return ord(character) if character.isalpha() else ord(character) + 256
