"""Verified files that are here, by digest, on a disk that several processes may share."""

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.depot import Depot
from cogpack.digest import Digest, Hasher, parse_digest
from cogpack.disk import UNFINISHED, is_unfinished, whole_file, writing
from cogpack.errors import InputError, MismatchError
from cogpack.progress import Cancellation
from cogpack.sizes import BLOCK

_BAD = ".replaced"
_ABANDONED = 24 * 3600
"""Seconds after which a part of a download is nobody's any more."""


class Artifact(msgspec.Struct, frozen=True):
    """`name`: of the file, for messages; `size`: bytes, where known; `title`: what it is, where the name is long."""

    name: str
    digest: Digest
    size: int | None
    title: str = ""


class KeptFiles:
    """Those under `root/sha256/xx/<hex>`, which appear whole, by rename.

    A cache that was restored, or that others can write to, holds what they laid there: a file is hashed once in each
    run that takes bytes of it.
    """

    def __init__(
        self,
        root: Path,
        cancellation: Cancellation,
        *,
        used: Callable[[Path], None] = lambda _: None,
        also: "KeptFiles | None" = None,
        depot: Depot | None = None,
    ) -> None:
        """`used` is told of files before they are looked for; `also`: others, which are only read; `depot`: has what
        is in neither."""
        self._root = root
        self._cancellation = cancellation
        self._sound: dict[Digest, os.stat_result] = {}
        self._used = used
        self._also = also
        self._depot = depot

    def _path(self, artifact: Artifact) -> Path:
        name = parse_digest(artifact.digest, where=artifact.name).removeprefix("sha256:")  # it becomes a path
        return self._root / "sha256" / name[:2] / name

    def find(self, artifact: Artifact) -> Path | None:
        """The file, if it is here. Only its size is looked at: before its bytes are used comes `sound`."""
        path = self._path(artifact)
        self._used(path)
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and artifact.size in (None, found.st_size):
                return path
        elsewhere = self._also.find(artifact) if self._also else None
        return elsewhere or (self._depot.find(artifact.digest, artifact.size) if self._depot else None)

    def has(self, artifact: Artifact) -> bool:
        return self.find(artifact) is not None

    def sound(self, artifact: Artifact, path: Path) -> os.stat_result:
        """Give the status with which the bytes at `path`, which was found, have the digest.

        A `MismatchError` for a file of the cache that is another one now; it is set aside, so that it is fetched anew.
        """
        known = self._sound.get(artifact.digest)
        if known is None:
            known = self._sound[artifact.digest] = self._hash(artifact, path)
        return known

    def keep(self, artifact: Artifact, path: Path, written: os.stat_result | None) -> None:
        """What was hashed on its way to the disk need not be read again in this run, if it is what lies there."""
        with suppress(OSError):
            found = path.lstat()
            if written and (found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns) == (
                written.st_ino,
                written.st_dev,
                written.st_size,
                written.st_mtime_ns,
            ):
                self._sound[artifact.digest] = found

    def take(self, name: str, blocks: Iterable[bytes]) -> Artifact:
        """Keep a file whose digest is not known before its last byte."""
        arriving = self._root / "sha256" / "00" / f"{UNFINISHED}{secrets.token_hex(8)}"
        with writing(arriving):
            arriving.parent.mkdir(parents=True, exist_ok=True)
        hasher = Hasher()
        try:
            with whole_file(arriving) as output:
                for block in hasher.watch(blocks):
                    self._cancellation.check()
                    output.write(block)
            artifact = Artifact(name, hasher.digest, hasher.size)
            path = self.prepared(artifact)
            if not self.has(artifact):
                arriving.replace(path)
        finally:
            arriving.unlink(missing_ok=True)
        return artifact

    def prepared(self, artifact: Artifact) -> Path:
        """Give the place where the file will be, in a directory that is there."""
        path = self._path(artifact)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sweep(path.parent)
        return path

    def _hash(self, artifact: Artifact, path: Path) -> os.stat_result:
        hasher = Hasher()
        try:
            with path.open("rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                while block := file.read(BLOCK):
                    hasher.update(block)
                    self._cancellation.check()
        except OSError as error:
            raise InputError(f"{path}: can't be read: {error.strerror or error}", next_step="remove it") from error
        if hasher.digest == artifact.digest:
            return found
        if self._depot and path.is_relative_to(self._depot.root):
            raise self._depot.damaged(path, artifact.name, hasher.digest)
        aside = path.with_name(f"{path.name}{_BAD}")
        try:
            path.replace(aside)
            advice = f"it is set aside as {aside}; run it again to fetch it anew, and find out who else writes there"
        except OSError:
            advice = "remove it, run it again to fetch it anew, and find out who else writes there"
        raise MismatchError(
            f"{path}: this file of the cache is not {artifact.name} any more: expected {artifact.digest}, "
            f"found {hasher.digest}",
            next_step=advice,
        )

    def _sweep(self, directory: Path) -> None:
        """Parts that a killed process left."""
        for part in filter(lambda path: is_unfinished(path.name), directory.iterdir()):
            with suppress(FileNotFoundError):  # another process was quicker
                if part.stat().st_mtime < time.time() - _ABANDONED:
                    part.unlink()
