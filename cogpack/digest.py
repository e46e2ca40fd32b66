"""This module has the digests of the image-spec (descriptor.md, "Digests"), and hashes bytes as they pass by."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NewType

from cogpack.errors import InputError
from cogpack.patterns import pattern

Digest = NewType("Digest", str)
"""`sha256:<64 hex>` of a blob as it is stored and sent."""

DiffID = NewType("DiffID", str)
"""`sha256:<64 hex>` of the plain tar inside a layer blob (image-spec config.md, `rootfs.diff_ids`)."""

_SHA256 = pattern(r"sha256:[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def parse_digest(text: object, *, where: str) -> Digest:
    """Check that `text` is a sha256 digest; `where` names the place for the error."""
    if isinstance(text, str) and _SHA256.fullmatch(text):
        return Digest(text)
    raise InputError(
        f"{where}: expected sha256:<64 lowercase hex digits>, found {text!r:.100}",
        next_step="use a sha256 digest; cogpack accepts no other algorithm",
    )


def sha256(data: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def verified(blocks: Iterable[bytes], check: "Callable[[Hasher], None]") -> Iterator[bytes]:
    """Pass `blocks` on, the last of them only after `check`, which raises if all of them are not what they should be.

    So nobody who reads to the end has taken wrong bytes for right ones.
    """
    hasher, last = Hasher(), b""
    for block in filter(None, blocks):  # an empty one would stand for the last
        hasher.update(block)
        if last:
            yield last
        last = block
    check(hasher)
    if last:
        yield last


class Hasher:
    """Counts and hashes the blocks that go through it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def update(self, block: bytes | memoryview) -> None:
        self._sha256.update(block)
        self.size += len(block)

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.update(block)
            yield block

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._sha256.hexdigest())
