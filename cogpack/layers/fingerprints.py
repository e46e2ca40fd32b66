"""blake3 of the project's files, so that an unchanged file is recognised without reading it.

A remembered hash counts while size, times, inode and device are the same, and only when the file was last touched
well before the hash was remembered: git's rule for entries as young as its index ("racy git").
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from blake3 import blake3

from cogpack.layers.entry import BLOCK, LocalFile, Stat
from cogpack.layers.facts import write_whole
from cogpack.progress import SILENT, Progress

_YOUNG = 2_000_000_000
"""Nanoseconds: coarser than the clock of any file system in use."""


class _Remembered(msgspec.Struct, frozen=True, array_like=True):
    stat: Stat
    blake3: str
    at_ns: int


class Fingerprints:
    """Hashes by path, loaded from and saved to `store`."""

    def __init__(self, store: Path, progress: Progress = SILENT) -> None:
        self._store = store
        self._progress = progress
        self._seen: dict[bytes, _Remembered] = {}  # by the path's bytes: not every path is text
        self._changed = False
        try:
            self._known: Mapping[bytes, _Remembered] = msgspec.msgpack.decode(
                store.read_bytes(), type=dict[bytes, _Remembered]
            )
        except (OSError, msgspec.MsgspecError):  # none yet, or half of one: all is hashed anew
            self._known = {}

    def of(self, path: Path) -> tuple[LocalFile, str]:
        """The file as it is now, and the blake3 of its bytes in hex."""
        stat = Stat.of(path)
        name = os.fsencode(path)
        known = self._known.get(name)
        if known and known.stat == stat and max(stat.mtime_ns, stat.ctime_ns) < known.at_ns - _YOUNG:
            self._seen[name] = known
            return LocalFile(path, stat), known.blake3
        started = time.time_ns()
        found = LocalFile(path, stat)
        digest = self._hash(found)
        self._seen[name] = _Remembered(stat, digest, started)
        self._changed = True
        return found, digest

    def _hash(self, file: LocalFile) -> str:
        large = file.size > 64 * BLOCK
        task = (self._progress if large else SILENT).task(f"hash {file.path.name}", file.size)
        # Not memory-mapped: mapped pages count as this process's memory. Large blocks let blake3 use all cores.
        hasher = blake3(max_threads=blake3.AUTO) if large else blake3()
        with file.open() as stream:
            while block := stream.read(8 * BLOCK if large else BLOCK):
                hasher.update(block)
                task.advance(len(block))
        task.done("hashed")
        return hasher.hexdigest()

    def save(self) -> None:
        """Remember the files seen since loading, and only those."""
        if self._changed or len(self._seen) != len(self._known):
            write_whole(self._store, msgspec.msgpack.encode(self._seen))
