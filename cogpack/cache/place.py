"""This module chooses where the cache is, and marks it so that other programs know it (CACHEDIR.TAG,
bford.info/cachedir)."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cogpack.disk import is_unfinished, write_whole
from cogpack.home import absolute, home
from cogpack.notes import Code, Note
from cogpack.patterns import pattern

TAG = "CACHEDIR.TAG"
_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
_TEXT = _SIGNATURE + b"\n# This directory is a cache of cogpack: all of it can be had again.\n"
DIRECTORIES = frozenset(
    {
        "artifacts",
        "bases",
        "bytecode",
        "challenges",
        "debs",
        "facts",
        "fingerprints",
        "git",
        "homes",
        "kept",
        "libraries",
        "steps",
        "trees",
        "uv",
    }
)
"""What is kept lies in these."""
_BESIDE = pattern(r"used|running|\.lock|\.removed-[0-9a-f]{16}|\.spool-.{8}|resolve-.{8}")
"""What else stands in a directory that is our cache and nothing else."""


def chosen_place(option: Path | None, environment: Mapping[str, str], note: Callable[[Note], None]) -> Path | None:
    """Return `option`, else `COGPACK_CACHE_DIR`, else `cogpack` in the XDG cache directory; absolute.

    None where this user has no place for one. A relative `XDG_CACHE_HOME` counts for nothing (XDG Base Directory
    Specification), and `note` is told.
    """
    if option or environment.get("COGPACK_CACHE_DIR"):
        place = absolute(option or Path(environment["COGPACK_CACHE_DIR"]))
        return Path(os.path.realpath(place)) if ".." in place.parts else place
    xdg = environment.get("XDG_CACHE_HOME", "")
    if xdg.startswith("/"):
        return Path(xdg) / "cogpack"
    if xdg:
        text = f"XDG_CACHE_HOME: {xdg} is no absolute path, and counts for nothing by the XDG specification"
        note(Note(Code.CACHE_PLACE_IGNORED, text))
    found = home(environment)
    return found / ".cache" / "cogpack" if found else None


def is_tagged(directory: str | Path) -> bool:
    """Whether a directory carries a valid tag: a plain file, no link, that begins with the signature."""
    path = os.path.join(directory, TAG)  # noqa: PTH118 - asked of every directory of a project
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(file, len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False
    finally:
        os.close(file)


def tag(directory: Path) -> None:
    """Mark the cache, unless it is a directory that holds other things too: those are nobody's to lose."""
    if not os.path.lexists(directory / TAG) and not foreign(directory):
        write_whole(directory / TAG, [_TEXT])


def foreign(directory: Path) -> list[str]:
    """Return the names in a cache that are not of its making, sorted."""
    names = {path.name for path in directory.iterdir()} - DIRECTORIES - {TAG}
    return sorted(name for name in names if not is_unfinished(name) and not _BESIDE.fullmatch(name))
