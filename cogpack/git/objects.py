"""Objects of a repository are read from their bytes (gitformat-pack(5), git-ls-tree(1)): pure."""

import hashlib
import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from cogpack.errors import MismatchError
from cogpack.patterns import pattern

Kind: TypeAlias = Literal["commit", "tree", "blob", "tag"]

FILE, EXECUTABLE, SYMLINK, TREE, GITLINK = 0o100644, 0o100755, 0o120000, 0o40000, 0o160000
"""Modes of a tree's entries; files of old repositories may have others, which count as one of the first two."""

_ENTRY = pattern(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)
_OID = pattern(rb"[0-9a-f]{40}")


class NotExactError(Exception):
    """Raised where a clone would not be exactly what git makes of it in the image: then git makes it there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Commit(msgspec.Struct, frozen=True):
    """Is what a commit says of others. `time`: when it was committed, seconds since 1970."""

    tree: str
    parents: tuple[str, ...]
    time: int


class TreeEntry(msgspec.Struct, frozen=True):
    mode: int
    name: bytes
    oid: str


def hasher(kind: str, size: int) -> "hashlib._Hash":
    """Begin an object's name; its contents are to follow."""
    return hashlib.sha1(f"{kind} {size}\0".encode(), usedforsecurity=False)


def check_oid(oid: str, found: str) -> None:
    if oid != found:
        raise MismatchError(
            f"git: the object {oid} has the contents of {found}",
            next_step="run cogpack cache clean, then try again; if it comes back, the server's repository is damaged",
        )


def parse_commit(data: bytes) -> Commit:
    """Read a commit's header."""
    header = data.partition(b"\n\n")[0].split(b"\n")
    tree = header[0].removeprefix(b"tree ")
    parents = []
    for line in header[1:]:
        if not line.startswith(b"parent "):
            break
        parents.append(line.removeprefix(b"parent "))
    found = re.search(rb"^committer .*> (-?[0-9]{1,18})\b", b"\n".join(header), re.MULTILINE)
    if not header[0].startswith(b"tree ") or not all(_OID.fullmatch(oid) for oid in (tree, *parents)):
        raise NotExactError("a commit of the history is damaged")
    return Commit(tree.decode(), tuple(oid.decode() for oid in parents), int(found[1]) if found else 0)


def parse_tag(data: bytes) -> tuple[str, str]:
    """Give the object that an annotated tag is of, and its kind."""
    found = re.match(rb"object ([0-9a-f]{40})\ntype ([a-z]+)\n", data)
    if not found:
        raise NotExactError("an annotated tag is damaged")
    return found[1].decode(), found[2].decode()


def raw_entries(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Give (mode, name, object) of a tree's entries as they are written."""
    found = _ENTRY.findall(data)
    if sum(len(mode) + len(name) for mode, name, _ in found) + 22 * len(found) != len(data):
        raise NotExactError("a tree of the history is damaged")
    return found


def checked_entries(data: bytes) -> Iterable[TreeEntry]:
    """Give the entries of a tree that is laid into an image: names that lead elsewhere, and that git itself refuses in
    a working tree, are `NotExactError`."""
    names = set()
    for mode, name, oid in raw_entries(data):
        if name in names:
            raise NotExactError(f"two files of one directory are called {name!r}")
        names.add(name)
        _check_name(name)
        number = int(mode, 8)
        if number & 0o170000 == 0o100000:
            number = EXECUTABLE if number & 0o100 else FILE
        elif number not in (SYMLINK, TREE, GITLINK):
            raise NotExactError(f"{name!r} has the mode {number:o}")
        yield TreeEntry(number, name, oid.hex())


_IGNORED = pattern("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Characters that HFS+ leaves out when it compares names."""
_GIT = pattern(r"(?:\.git|git~[0-9]+)[ .]*(?::.*)?", re.IGNORECASE | re.DOTALL)
"""What file systems may take for `.git`; NTFS has short names, and leaves out dots and spaces at the end."""
_SPECIAL = pattern(r"(?:\.git(?:modules|attributes|ignore)|gi(?:t|7)[a-z0-9]{0,5}~[0-9]+)[ .]*(?::.*)?", re.IGNORECASE)


def _check_name(name: bytes) -> None:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise NotExactError(f"the name {name!r} is not UTF-8") from None
    if "/" in text or text in (".", ".."):
        raise NotExactError(f"a file is called {text!r}")
    if text.startswith(".wh."):
        raise NotExactError(f"a file is called {text!r}, which means deletion in image layers")
    for part in _IGNORED.sub("", text).split("\\"):
        if _GIT.fullmatch(part):
            raise NotExactError(f"a file is called {text!r}, which git refuses")


def is_special_link(entry: TreeEntry) -> bool:
    """Tell whether a link has the name of a file that git itself reads."""
    return entry.mode == SYMLINK and bool(_SPECIAL.fullmatch(_IGNORED.sub("", entry.name.decode())))
