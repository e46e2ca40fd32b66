"""A layer can be a whole Debian root file system, or as much of one as its packages make."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cogpack.digest import sha256
from cogpack.layers.debs.configure import configure
from cogpack.layers.debs.database import write_database, write_policy
from cogpack.layers.debs.merge import link_equal, merge
from cogpack.layers.debs.package import DebFile, UnpackedPackage, read_package
from cogpack.layers.entry import Entry, complete
from cogpack.layers.spool import Spool
from cogpack.oci import encode
from cogpack.progress import Cancellation, Progress
from cogpack.text import count_text

_RECIPE = "debs/1"
"""Part of the key. Anything here that changes the entries made of the same packages must change it."""

_THREADS = 2  # lzma works without the interpreter's lock


class DebsSource:
    """Makes the entries of packages, merged and configured. `spool`: a directory for a temporary file of their unpacked
    size.

    Nothing goes out until all are unpacked, which takes seconds: `progress` hears of each, and each block of them asks
    `cancellation`.
    """

    def __init__(
        self,
        debs: Sequence[DebFile],
        *,
        suite: str,
        arch: str,
        spool: Path,
        progress: Progress,
        cancellation: Cancellation,
    ) -> None:
        self._debs = sorted(debs, key=lambda deb: deb.name)
        self._suite = suite
        self._arch = arch
        self._directory = spool
        self._progress = progress
        self._cancellation = cancellation
        self._entries: list[Entry] | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"debian: {self._suite}, {len(self._debs)} packages"

    def key(self) -> str:
        facts = [_RECIPE, self._suite, self._arch, [[deb.name, deb.sha256] for deb in self._debs]]
        return "debs:" + sha256(encode(facts)).removeprefix("sha256:")

    def entries(self) -> Sequence[Entry]:
        """Make them once and keep them: the bytes are in the spool, which lives as long as its entries."""
        with self._lock:
            if self._entries is None:
                self._entries = self._assemble()
            return self._entries

    def _assemble(self) -> list[Entry]:
        check = self._cancellation.check
        spool = Spool(self._directory, check)
        for deb in self._debs[:1]:
            deb.locate()  # who supplies packages fetches all of them now: nothing is unpacked meanwhile
        size = sum(deb.size for deb in self._debs)
        task = self._progress.task(count_text(len(self._debs), "Debian package"), size, "unpack")

        def unpacked(deb: DebFile) -> UnpackedPackage:
            check()
            package = read_package(deb, spool)
            task.advance(deb.size)
            return package

        try:
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="unpack") as pool:
                packages = list(pool.map(unpacked, self._debs))
        finally:
            task.done("")
        check()
        tree = merge(packages, self._arch)
        configure(tree, packages, self._arch)
        write_database(tree, packages, self._arch)
        write_policy(tree, self._suite)
        return link_equal(complete(tree, {}))
