"""Packages are unpacked once, however many layers are made of them."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.layers.spool import Spool
from cogpack.progress import Cancellation, Progress
from cogpack.text import count_text

if TYPE_CHECKING:
    from cogpack.layers.debs.deb.kept import KeptPackages
    from cogpack.layers.debs.deb.package import DebFile, UnpackedPackage

_THREADS = os.cpu_count() or 1  # lzma works without the interpreter's lock


class Unpacking:
    """Unpacks packages into a temporary file in `directory`, which lives as long as what was unpacked.

    `progress` hears of each package, and each block of one asks `cancellation`; `kept` gives what has
    some from earlier runs.
    """

    def __init__(
        self,
        directory: Path,
        progress: Progress,
        cancellation: Cancellation,
        kept: "Callable[[], KeptPackages | None]" = lambda: None,
    ) -> None:
        self._directory = directory
        self._progress = progress
        self._cancellation = cancellation
        self._kept = kept
        self._found: dict[str, Future[UnpackedPackage]] = {}
        self._lock = threading.Lock()

    def read(self, debs: "Sequence[DebFile]") -> "list[UnpackedPackage]":
        """Give `debs` unpacked, in their order. Thread-safe; what another thread unpacks is waited for."""
        new = self._new(debs)
        if new:
            self._unpack(new, lambda _: None)
        return [self._found[deb.sha256].result() for deb in debs]

    def begin(self, debs: "Sequence[DebFile]", come: "Callable[[DebFile], None]") -> None:
        """Unpack `debs` in threads of their own, each once it has `come`: who reads them waits for what is left then.
        What fails is told to who reads them."""
        new = self._new(debs)

        def unpack() -> None:
            with suppress(BaseException):
                self._unpack(new, come)

        if new:
            try:
                threading.Thread(target=unpack, name="unpack", daemon=True).start()
            except BaseException as error:  # a limit of processes; another layer may be waiting for them
                _fail(new, error)
                raise

    def _new(self, debs: "Sequence[DebFile]") -> "dict[DebFile, Future[UnpackedPackage]]":
        """Note down those that nobody unpacks yet."""
        from cogpack.layers.debs.deb.package import UnpackedPackage

        with self._lock:
            new = {deb: Future[UnpackedPackage]() for deb in debs if deb.sha256 not in self._found}
            self._found |= {deb.sha256: future for deb, future in new.items()}
        return new

    def _unpack(self, new: "dict[DebFile, Future[UnpackedPackage]]", come: "Callable[[DebFile], None]") -> None:
        # The largest first: one begun last would have a core to itself while the others have nothing to do.
        from cogpack.layers.debs.deb.package import read_package

        debs = sorted(new, key=lambda deb: -deb.size)
        check = self._cancellation.check
        try:
            spool, kept = Spool(self._directory, check), self._kept()
            size = sum(deb.size for deb in debs)
            task = self._progress.task(count_text(len(debs), "Debian package"), size, "unpack")

            def unpack(deb: "DebFile") -> None:
                check()
                come(deb)
                package = read_package(deb, spool, kept)
                task.advance(deb.size)
                new[deb].set_result(package)

            try:
                with ThreadPoolExecutor(_THREADS, thread_name_prefix="unpack") as pool:
                    list(pool.map(unpack, debs))
            finally:
                task.done("")
            check()
        except BaseException as error:
            _fail(new, error)
            raise


def _fail(new: "dict[DebFile, Future[UnpackedPackage]]", error: BaseException) -> None:
    """Tell it to who waits for those that are not done."""
    for future in new.values():
        if not future.done():
            future.set_exception(error)
