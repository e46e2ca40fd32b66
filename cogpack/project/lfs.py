"""git-lfs leaves pointers where large files were not fetched (git-lfs docs/spec.md, "The Pointer")."""

import re
from pathlib import Path

import msgspec

from cogpack.digest import Digest
from cogpack.disk import open_regular
from cogpack.errors import InputError
from cogpack.patterns import pattern
from cogpack.project.ignore import Patterns, parse_globs

MAX_POINTER = 1024
"""Bytes; a pointer is smaller."""

_MAX_ATTRIBUTES = 1024 * 1024
_VERSIONS = (b"https://git-lfs.github.com/spec/v1", b"https://hawser.github.com/spec/v1")
_OID = pattern(rb"^oid (sha256:[0-9a-f]{64})\r?$", re.MULTILINE)
_SIZE = pattern(rb"^size ([0-9]{1,19})\r?$", re.MULTILINE)


class LfsPointer(msgspec.Struct, frozen=True):
    """Names the file that should be there."""

    oid: Digest
    size: int


def lfs_pointer(head: bytes) -> LfsPointer | None:
    """Read the pointer that these first bytes of a file are, if they are one."""
    if len(head) >= MAX_POINTER or not any(head.startswith(b"version " + url) for url in _VERSIONS):
        return None
    oid, size = _OID.search(head), _SIZE.search(head)
    return LfsPointer(Digest(oid[1].decode()), int(size[1])) if oid and size else None


class LfsAttributes:
    """Tells which files git-lfs keeps: those that .gitattributes gives the filter `lfs` (gitattributes(5),
    git-lfs-track(1)).

    The files of the project's own directories count, and those above it up to the repository's root.
    """

    def __init__(self, root: Path) -> None:
        self._top = next((above for above in (root, *root.parents) if (above / ".git").exists()), root)
        self._inside = root.relative_to(self._top)
        self._known: dict[Path, list[tuple[Patterns, bool]]] = {}

    def tracked(self, path: str) -> bool:
        """Tell whether git-lfs keeps `path`, relative to the project."""
        place = self._inside / path
        found = False
        for directory in reversed(place.parents):
            relative = place.relative_to(directory).as_posix()
            for patterns, filtered in self._rules(directory):
                if patterns.matches(relative):
                    found = filtered
        return found

    def _rules(self, directory: Path) -> list[tuple[Patterns, bool]]:
        if directory not in self._known:
            self._known[directory] = list(_rules(self._top / directory / ".gitattributes"))
        return self._known[directory]


def _rules(path: Path) -> list[tuple[Patterns, bool]]:
    try:
        with open_regular(path) as stream:
            text = stream.read(_MAX_ATTRIBUTES).decode("utf-8", "replace")
    except OSError:
        return []
    rules = []
    for line in text.splitlines():
        pattern, *attributes = line.split()[:20] or [""]
        filters = [word for word in attributes if re.fullmatch(r"[-!]?filter(?:=.*)?", word)]
        if not filters or pattern.startswith(("#", "!", '"')):
            continue
        anchored = pattern.removeprefix("/") if "/" in pattern.rstrip("/") else f"**/{pattern}"
        try:
            rules.append((parse_globs([anchored], where=str(path)), filters[-1] == "filter=lfs"))
        except InputError:  # git's language is larger: what is not understood is not tracked
            continue
    return rules
