"""A layer that is a whole Debian root file system, or as much of one as its packages make."""

import hashlib
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cogpack.layers.debs.configure import configure
from cogpack.layers.debs.database import write_database, write_policy
from cogpack.layers.debs.merge import link_equal, merge
from cogpack.layers.debs.package import DebFile, read_package
from cogpack.layers.debs.spool import Spool
from cogpack.layers.entry import Entry, complete

_RECIPE = "debs/1"
"""Part of the key. Anything here that changes the entries made of the same packages must change it."""

_THREADS = 2  # lzma works without the interpreter's lock


class DebsSource:
    """The packages, merged and configured. `spool`: a directory for a temporary file of their unpacked size."""

    def __init__(self, debs: Sequence[DebFile], *, suite: str, arch: str, spool: Path) -> None:
        self._debs = sorted(debs, key=lambda deb: deb.name)
        self._suite = suite
        self._arch = arch
        self._directory = spool
        self._entries: list[Entry] | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"debian: {self._suite}, {len(self._debs)} packages"

    def key(self) -> str:
        facts = [_RECIPE, self._suite, self._arch, [[deb.name, deb.sha256] for deb in self._debs]]
        return "debs:" + hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()

    def entries(self) -> Sequence[Entry]:
        """Made once and kept: the bytes are in the spool, which lives as long as its entries."""
        with self._lock:
            if self._entries is None:
                self._entries = self._assemble()
            return self._entries

    def _assemble(self) -> list[Entry]:
        spool = Spool(self._directory)
        with ThreadPoolExecutor(_THREADS) as pool:
            packages = list(pool.map(lambda deb: read_package(deb, spool), self._debs))
        tree = merge(packages, self._arch)
        configure(tree, packages, self._arch)
        write_database(tree, packages, self._arch)
        write_policy(tree, self._suite)
        return link_equal(complete(tree, {}))
