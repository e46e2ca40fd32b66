"""Packages are unpacked once, however many layers are made of them."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cogpack.layers.debs.package import DebFile, UnpackedPackage, read_package
from cogpack.layers.spool import Spool
from cogpack.progress import Cancellation, Progress
from cogpack.text import count_text

_THREADS = 2  # lzma works without the interpreter's lock


class Unpacking:
    """Unpacks packages into a temporary file in `directory`, which lives as long as what was unpacked.

    `progress` hears of each package, and each block of one asks `cancellation`.
    """

    def __init__(self, directory: Path, progress: Progress, cancellation: Cancellation) -> None:
        self._directory = directory
        self._progress = progress
        self._cancellation = cancellation
        self._found: dict[str, UnpackedPackage] = {}
        self._lock = threading.Lock()

    def check(self) -> None:
        self._cancellation.check()

    def read(self, debs: Sequence[DebFile]) -> list[UnpackedPackage]:
        """Give `debs` unpacked, in their order. Who comes from a second thread waits for what the first unpacks."""
        with self._lock:
            new = [deb for deb in debs if deb.sha256 not in self._found]
            for deb in new[:1]:
                deb.locate()  # who supplies packages fetches all of them now: nothing is unpacked meanwhile
            self._unpack(new)
            return [self._found[deb.sha256] for deb in debs]

    def _unpack(self, debs: Sequence[DebFile]) -> None:
        if not debs:
            return
        spool = Spool(self._directory, self.check)
        task = self._progress.task(count_text(len(debs), "Debian package"), sum(deb.size for deb in debs), "unpack")

        def unpacked(deb: DebFile) -> UnpackedPackage:
            self.check()
            package = read_package(deb, spool)
            task.advance(deb.size)
            return package

        try:
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="unpack") as pool:
                for deb, package in zip(debs, list(pool.map(unpacked, debs)), strict=True):
                    self._found[deb.sha256] = package
        finally:
            task.done("")
        self.check()
