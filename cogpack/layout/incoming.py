"""A blob on its way into a layout is whole under its name, or not there."""

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

from cogpack.digest import Digest
from cogpack.disk import UNFINISHED, sync_directory, writing


class Incoming:
    """A file on its way in. `keep` makes it a blob of the layout; without that, leaving the `with` removes it.

    It is locked while somebody writes it: what a killed writer left is nobody's, and is swept.
    """

    def __init__(self, root: Path, place: Callable[[Digest], Path]) -> None:
        self._root = root
        self._place = place
        while True:
            with writing(root):
                self._path = root / f"{UNFINISHED}{secrets.token_hex(16)}"
                self._stream: BinaryIO = self._path.open("xb", buffering=0)
                # The lock says that somebody still writes.
                fcntl.flock(self._stream, fcntl.LOCK_EX)
            if os.fstat(self._stream.fileno()).st_nlink:
                break
            self._stream.close()  # swept away before it was locked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, block: bytes | memoryview) -> None:
        left = memoryview(block)
        with writing(self._root):
            while left:
                left = left[self._stream.write(left) :]

    def keep(self, digest: Digest) -> None:
        """Give it the name of its digest: the caller has hashed the bytes written."""
        self.move(self._place(digest))

    def move(self, target: Path) -> None:
        """Put it, whole, at `target`: a path in a directory of the layout that is there."""
        with writing(self._root):
            os.fsync(self._stream.fileno())
            self._path.replace(target)
            sync_directory(target.parent)
        self._stream.close()

    def discard(self) -> None:
        """Remove it, unless it was kept."""
        if not self._stream.closed:
            self._path.unlink(missing_ok=True)
            self._stream.close()
