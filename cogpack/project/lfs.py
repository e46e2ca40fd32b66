"""Pointers that git-lfs leaves where a large file was not fetched (git-lfs docs/spec.md, "The Pointer")."""

import re

import msgspec

from cogpack.digest import Digest

MAX_POINTER = 1024
"""Bytes; a pointer is smaller."""

_VERSIONS = (b"https://git-lfs.github.com/spec/v1", b"https://hawser.github.com/spec/v1")
_OID = re.compile(rb"^oid (sha256:[0-9a-f]{64})\r?$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([0-9]{1,19})\r?$", re.MULTILINE)


class LfsPointer(msgspec.Struct, frozen=True):
    """The file that should be there."""

    oid: Digest
    size: int


def lfs_pointer(head: bytes) -> LfsPointer | None:
    """The pointer that these first bytes of a file are, if they are one."""
    if len(head) >= MAX_POINTER or not any(head.startswith(b"version " + url) for url in _VERSIONS):
        return None
    oid, size = _OID.search(head), _SIZE.search(head)
    return LfsPointer(Digest(oid[1].decode()), int(size[1])) if oid and size else None
