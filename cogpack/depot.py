"""A depot is an OCI layout that holds what locks name of the outside world, so that images are made without a network.

Each file is a blob under its sha256. What a lock names otherwise, as a commit of a repository, has a name besides. The
files of a lock are listed by an artifact's manifest (image-spec manifest.md), so that whatever carries images can carry
a depot, too.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cogpack.digest import Digest, Hasher
from cogpack.disk import open_file
from cogpack.errors import InputError, MismatchError
from cogpack.oci import CONFIG_LIMIT, OCI_EMPTY, OCI_MANIFEST, TITLE, Descriptor, Manifest, decode, encode
from cogpack.sizes import BLOCK

if TYPE_CHECKING:
    from cogpack.layout import Layout

KIND = "application/vnd.cogpack.depot.v1"
"""The artifact type of a list of files."""
VARIABLE = "COGPACK_DEPOT"
"""Names a depot, by an address or a path, that is asked for what nobody else has any more."""
_OCTETS = "application/octet-stream"
NAME = "dev.cogpack.name"
"""Annotation of a file that the lock does not name by its sha256."""
_LIMIT = 8 * CONFIG_LIMIT
"""Bytes of a list: it has a line for each file of a lock, which has 4 MiB at most."""


class DepotFile:
    """Is a file of a depot that is read by ranges. What is read is whatever lies there: whoever knows a digest must
    check it. `renewed`: how another one is had."""

    def __init__(self, path: Path, size: int, renewed: str) -> None:
        self._path = path
        self.size = size
        self.renewed = renewed

    def __repr__(self) -> str:
        return str(self._path)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        with open_file(self._path) as file:
            file.seek(offset)
            while length and (block := file.read(min(length, BLOCK))):
                length -= len(block)
                yield block


class Depot:
    """Has files by their digests. `root`: its directory."""

    def __init__(self, layout: "Layout") -> None:
        self.root = layout.root
        self._layout = layout

    @classmethod
    def read(cls, root: Path) -> Self:
        """Open one that is there; an `InputError` of a directory that is none."""
        from cogpack.layout import Layout

        try:
            found = cls(Layout.read(root))
            lists = list(found._lists)
        except InputError as error:
            raise InputError(error.message, next_step=f"name a directory that {_filled('DIR')} has written") from error
        if not lists:
            raise InputError(
                f"{root}: nothing of a lock was fetched into this layout", next_step=f"run {_filled(root)}"
            )
        return found

    @classmethod
    def create(cls, root: Path) -> Self:
        """Make one of a missing or empty directory, or open the one that is there for more."""
        from cogpack.layout import Layout

        return cls(Layout.create(root))

    def find(self, digest: Digest, size: int | None) -> Path | None:
        """Find a file; only its size is looked at."""
        found = self._layout.blob_size(digest)
        return self._layout.blob_path(digest) if found is not None and size in (None, found) else None

    def named(self, name: str) -> Descriptor | None:
        """Find a file that has a name besides its digest."""
        found = self._names.get(name)
        return found if found is not None and self._layout.has(found) else None

    def blocks(self, file: Descriptor, what: str) -> Iterator[bytes]:
        """Read a file, which is told at its end if it was another. `what`: for errors."""
        if not self._layout.has(file):
            raise self.lacking(f"{what} ({file.digest})")
        hasher = Hasher()
        with open_file(path := self._layout.blob_path(file.digest)) as stream:
            yield from hasher.watch(iter(lambda: stream.read(BLOCK), b""))
        if hasher.digest != file.digest:
            raise self.damaged(path, what, hasher.digest)

    def open(self, digest: Digest, size: int, what: str) -> DepotFile:
        """Open a file that is read by ranges."""
        path = self.find(digest, size)
        if path is None:
            raise self.lacking(f"{what} ({digest})")
        return DepotFile(path, size, self._renewed)

    def lacking(self, what: str) -> InputError:
        """Say that it does not have `what`, which nobody else is asked for."""
        return InputError(
            f"{self.root}: has no {what}, and no server is asked with --offline",
            next_step=f"run {_filled(self.root)} where there is a network, with --weights if it is a weight",
        )

    def damaged(self, path: Path, what: str, found: Digest) -> MismatchError:
        """Say that the file at `path` is not what its name says."""
        return MismatchError(
            f"{path}: is not {what}, whose name it has: its bytes are {found}",
            next_step=self._renewed,
        )

    @property
    def _renewed(self) -> str:
        return f"remove it, and run {_filled(self.root)} again where there is a network"

    # Filling it

    def has(self, file: Descriptor) -> bool:
        return self._layout.has(file)

    @classmethod
    def check(cls, root: Path) -> None:
        """Raise what `create` will refuse, before anything is done for it."""
        from cogpack.layout import Layout

        Layout.check(root)

    def take(self, blocks: Iterable[bytes], file: Descriptor | None = None) -> Descriptor:
        """Take a file, which is to be `file`, where that is known before its end."""
        hasher = Hasher()
        with self._layout.incoming() as coming:
            for block in hasher.watch(blocks):
                coming.write(block)
            if file and file.digest != hasher.digest:
                raise MismatchError(
                    f"{file.digest}: {hasher.size} bytes came that are {hasher.digest}", next_step="run it again"
                )
            coming.keep(hasher.digest)
        return file or Descriptor(media_type=_OCTETS, digest=hasher.digest, size=hasher.size)

    def share(self, path: Path, file: Descriptor) -> None:
        """Take the verified file at `path`: as another name of it where the file system can, else as a copy."""
        try:
            os.link(path, self._layout.blob_path(file.digest))
        except OSError:
            with open_file(path) as stream:
                self.take(iter(lambda: stream.read(BLOCK), b""), file)

    def publish(self, name: str, files: Sequence[Descriptor], annotations: Mapping[str, str]) -> None:
        """List the files of a lock under `name`: the last step, by which they count."""
        empty = self._layout.add(b"{}")
        manifest = Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=KIND,
            config=Descriptor(media_type=OCI_EMPTY, digest=empty, size=2),
            layers=list(files),
            annotations=dict(annotations),
        )
        data = encode(manifest)
        digest = self._layout.add(data)
        listed = Descriptor(media_type=OCI_MANIFEST, artifact_type=KIND, digest=digest, size=len(data))
        self._layout.publish({name: listed})

    @cached_property
    def _lists(self) -> tuple[Manifest, ...]:
        """Whoever copies a list may leave out of index.json what kind it is."""
        found = [
            decode(self._layout.blob_bytes(one, limit=_LIMIT), Manifest, where=f"{self.root}: {one.digest}")
            for one in self._layout.names().values()
            if one.media_type == OCI_MANIFEST
        ]
        return tuple(one for one in found if one.artifact_type == KIND)

    @cached_property
    def _names(self) -> Mapping[str, Descriptor]:
        return {
            one.annotations[NAME]: one
            for manifest in self._lists
            for one in manifest.layers
            if one.annotations and NAME in one.annotations
        }


def file_address(depot: str, digest: Digest) -> str:
    """Give the address of a file of a depot that lies on a file server, or its path in one that is here."""
    return f"{depot.rstrip('/')}/blobs/{digest.replace(':', '/')}"


def described(title: str, digest: Digest, size: int) -> Descriptor:
    """Describe a file, as a list has it."""
    return Descriptor(media_type=_OCTETS, digest=digest, size=size, annotations={TITLE: title})


def _filled(root: Path | str) -> str:
    return f"cogpack fetch -o {root}"
