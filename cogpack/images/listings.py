"""What the layers of images hold is listed, each layer once: a machine keeps the list, by the digest of the blob.

A list has each member, and the contents of the few that `layers.debs.over.ground` names. It goes into locks and layers,
so it is under a seal.
"""

import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from cogpack.decompress import decompressed
from cogpack.digest import Digest, Hasher
from cogpack.disk import write_whole, writing
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.layers.debs.effects.ldcache import SharedObject, read_shared_object
from cogpack.layers.debs.over.ground import is_kept
from cogpack.oci import Descriptor
from cogpack.seal import Seal
from cogpack.sizes import MiB
from cogpack.untar import Member, Untar

_LIBRARY = re.compile(r"(?:.*/)?(?:lib|ld-)[^/]*\.so[^/]*")
_LIBC = re.compile(r"(?:.*/)?(?:libc\.so\.6|libc-2\.\d+\.so)")
_LIBC_VERSION = re.compile(rb"GNU C Library [^\n]{0,200}?version (2\.\d+)")
_IN_MEMORY = 32 * MiB
_KEPT = 128 * MiB
"""Bytes of contents that are kept of one layer."""
_MOST = 700_000
"""Members of one layer, more than a root file system may have files."""


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """Is one member of a layer, without its times. `data`: what is in a file, where that is kept; `glibc`: "2.41" of
    the C library itself."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    link: str
    data: bytes | None = None
    shared_object: SharedObject | None = None
    glibc: str = ""


_FORMAT = f"1-{zlib.crc32(' '.join(Listed.__struct_fields__).encode()):08x}"
_DECODER = msgspec.msgpack.Decoder(tuple[Listed, ...])


class Listings:
    """Lists layers. `directory`: where lists are kept, with this `seal`; None: nowhere."""

    def __init__(self, directory: Path | None = None, seal: Seal | None = None) -> None:
        self._directory = directory
        self._seal = seal or Seal()

    def kept(self, digest: Digest) -> tuple[Listed, ...] | None:
        """Give the list of the layer of this digest that was made before."""
        if self._directory is None:
            return None
        path = self._path(self._directory, digest)
        try:
            found = self._seal.open(path.name, path.read_bytes())
            os.utime(path)  # a cache is cleaned of what was not wanted for long
        except OSError:
            return None
        return None if found is None else _DECODER.decode(zlib.decompress(found))

    def read(
        self, layer: Descriptor, opened: Callable[[], AbstractContextManager[Iterator[bytes]]], *, where: str
    ) -> tuple[Listed, ...]:
        """Give the list of `layer`, whose blob is `opened` if there is none yet. `where` names it in errors."""
        if (found := self.kept(layer.digest)) is not None:
            return found
        hasher = Hasher()
        with opened() as blocks:
            found = tuple(_members(Untar(decompressed(hasher.watch(blocks)), where=where)))
        if hasher.digest != layer.digest:
            raise MismatchError(f"{where}: found {hasher.digest}", next_step="the registry sent a damaged layer")
        if self._directory is not None:
            with suppress(CogpackError), writing(self._directory):
                self._directory.mkdir(parents=True, exist_ok=True)
                path = self._path(self._directory, layer.digest)
                packed = zlib.compress(msgspec.msgpack.encode(found), 1)
                write_whole(path, iter((self._seal.close(path.name, packed),)))
        return found

    def _path(self, directory: Path, digest: Digest) -> Path:
        return directory / f"{digest.removeprefix('sha256:')}.{_FORMAT}"


def _members(layer: Untar) -> Iterator[Listed]:
    kept = 0
    for number, member in enumerate(layer):
        if number >= _MOST:
            raise InputError(f"one of its layers has more than {_MOST} files", next_step="choose another base")
        data = shared_object = None
        glibc = ""
        if member.kind == "file" and is_kept(member.path, member.size):
            data = b"".join(layer.content())
            kept += len(data)
            if kept > _KEPT:
                raise InputError(
                    f"/{member.path}: the settings and databases of one layer have more than {_KEPT} bytes",
                    next_step="choose another base",
                )
        elif member.kind == "file" and _LIBRARY.fullmatch(member.path):
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as scratch:
                for block in layer.content():
                    scratch.write(block)
                scratch.seek(0)
                shared_object = read_shared_object(cast("BinaryIO", scratch))
                if _LIBC.fullmatch(member.path):
                    scratch.seek(0)
                    glibc = _version(cast("BinaryIO", scratch))
        yield _listed(member, data, shared_object, glibc)


def _listed(member: Member, data: bytes | None, shared_object: SharedObject | None, glibc: str) -> Listed:
    return Listed(
        member.path,
        member.kind,
        member.mode,
        member.uid,
        member.gid,
        member.size,
        member.link if member.kind == "symlink" else member.target,
        data,
        shared_object,
        glibc,
    )


def _version(stream: BinaryIO) -> str:
    tail = b""
    while block := stream.read(MiB):
        if found := _LIBC_VERSION.search(tail + block):
            return found[1].decode()
        tail = block[-512:]
    return ""
