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
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from cogpack.digest import DiffID, Hasher
from cogpack.disk import write_whole, writing
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.layers.debs.effects.ldcache import SharedObject, read_shared_object
from cogpack.oci import LayerInfo
from cogpack.patterns import pattern
from cogpack.seal import Seal
from cogpack.sizes import MiB

if TYPE_CHECKING:
    from cogpack.untar import Untar

_LIBRARY = pattern(r"(?:.*/)?(?:lib|ld-)[^/]*\.so[^/]*")
_LIBC = pattern(r"(?:.*/)?(?:libc\.so\.6|libc-2\.\d+\.so)")
_LIBC_VERSION = pattern(rb"GNU C Library [^\n]{0,200}?version (2\.\d{1,3})(?!\d)")
_CPYTHON = pattern(r"(?:.*/)?(?:bin/python(3\.\d+)|libpython(3\.\d+)\.so\.1\.0)")
"""CPython itself: its program, and the library that this may be linked with."""
_CPYTHON_VERSION = rb"(?<![0-9.])(%s\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?\+?)\0"
"""What it tells of itself (PY_VERSION), of its own minor version."""
_LARGEST = 4 * 1024 * MiB
"""Bytes of a library that is looked at: the largest of CUDA have half. Zeros without end are packed in nothing."""
_IN_MEMORY = 32 * MiB
_KEPT = 128 * MiB
"""Bytes of contents that are kept of one layer."""
_LIMIT = 256 * MiB
"""Bytes of names in the list of one layer, of which each member has `_MEMBER` besides: 600,000 members."""
_MEMBER = 400
_LINK = 4095
"""Bytes of a link's target, more than which Linux can't follow (PATH_MAX)."""


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """Is one member of a layer, without its times. `data`: what is in a file, where that is kept; `glibc`: "2.41" of
    the C library itself; `cpython`: "3.12.4" or "3.15.0rc1" of CPython itself."""

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
    cpython: str = ""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """Is a member as it is written down. Names are bytes: those of a layer need not be UTF-8."""

    path: bytes
    link: bytes
    rest: Listed

    @classmethod
    def of(cls, one: Listed) -> "_Kept":
        return cls(_bytes(one.path), _bytes(one.link), msgspec.structs.replace(one, path="", link=""))

    def listed(self) -> Listed:
        path, link = (name.decode("utf-8", "surrogateescape") for name in (self.path, self.link))
        return msgspec.structs.replace(self.rest, path=path, link=link)


class _List(msgspec.Struct, frozen=True, array_like=True):
    """Is what is known of a blob, whatever an image says of it. `diff_id`: of the tar that it unpacks to."""

    diff_id: DiffID
    members: tuple[_Kept, ...]


_FORMAT = f"4-{zlib.crc32(' '.join(Listed.__struct_fields__).encode()):08x}"
_DECODER = msgspec.msgpack.Decoder(_List)


class Listings:
    """Lists layers. `directory`: where lists are kept, with this `seal`; None: nowhere."""

    def __init__(self, directory: Path | None = None, seal: Seal | None = None) -> None:
        self._directory = directory
        self._seal = seal or Seal()

    def kept(self, layer: LayerInfo, *, where: str) -> tuple[Listed, ...] | None:
        """Give the list of `layer` that was made before."""
        if self._directory is None:
            return None
        path = self._path(self._directory, layer)
        try:
            found = self._seal.read(path.name, path)
        except OSError:
            return None
        with suppress(OSError):  # a cache that is only read
            os.utime(path)  # else it is cleaned of what was not wanted for long
        if found is None:
            return None
        known = _DECODER.decode(zlib.decompress(found))
        _check(known.diff_id, layer, where)
        return tuple(one.listed() for one in known.members)

    def read(
        self, layer: LayerInfo, opened: Callable[[], AbstractContextManager[Iterator[bytes]]], *, where: str
    ) -> tuple[Listed, ...]:
        """Give the list of `layer`, whose blob is `opened` if there is none yet. `where` names it in errors.

        A `MismatchError` where blob or tar are others than `layer` says: layers of ours are known by the diff IDs of
        those below them, so that an image which claims another's would have its files in what both share.
        """
        from cogpack.decompress import decompressed
        from cogpack.untar import Untar

        if (found := self.kept(layer, where=where)) is not None:
            return found
        stored, plain = Hasher(), Hasher()
        with opened() as blocks:
            found = tuple(_members(Untar(plain.watch(decompressed(stored.watch(blocks))), where=where), where))
        if stored.digest != layer.descriptor.digest:
            raise MismatchError(f"{where}: found {stored.digest}", next_step="the registry sent a damaged layer")
        diff_id = DiffID(plain.digest)
        if self._directory is not None:
            with suppress(CogpackError), writing(self._directory):
                self._directory.mkdir(parents=True, exist_ok=True)
                path = self._path(self._directory, layer)
                known = _List(diff_id, tuple(_Kept.of(one) for one in found))
                packed = zlib.compress(msgspec.msgpack.encode(known), 1)
                write_whole(path, iter((self._seal.close(path.name, packed),)))
        _check(diff_id, layer, where)
        return found

    def _path(self, directory: Path, layer: LayerInfo) -> Path:
        return directory / f"{layer.descriptor.digest.removeprefix('sha256:')}.{_FORMAT}"


def _check(found: DiffID, layer: LayerInfo, where: str) -> None:
    if found != layer.diff_id:
        raise MismatchError(
            f"{where}: expected diff ID {layer.diff_id}, as the image's config has it, found {found}",
            next_step="the image says of its layers what they are not: choose another base",
        )


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _members(layer: "Untar", where: str) -> Iterator[Listed]:
    from cogpack.layers.debs.over.ground import is_kept
    from cogpack.temporary import writing_temporary

    kept = size = 0
    for member in layer:
        size += _MEMBER + len(member.path) + len(member.link)
        if len(_bytes(member.link)) > _LINK:
            raise InputError(
                f"{where}: /{member.path!a:.200}: a link of more than {_LINK} bytes", next_step="choose another base"
            )
        data = shared_object = None
        glibc = cpython = ""
        if member.kind == "file" and is_kept(member.path, member.size):
            data = b"".join(layer.content())
            kept += len(data)
            if kept > _KEPT:
                raise InputError(
                    f"{where}: /{member.path}: the settings and databases of one layer have more than {_KEPT} bytes",
                    next_step="choose another base",
                )
        elif (
            member.kind == "file"
            and member.size <= _LARGEST
            and (_LIBRARY.fullmatch(member.path) or _CPYTHON.fullmatch(member.path))
        ):
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spooled:
                scratch = cast("BinaryIO", spooled)
                for block in layer.content():  # writelines looks at the limit when all is in memory
                    with writing_temporary():
                        scratch.write(block)
                if _LIBRARY.fullmatch(member.path):
                    scratch.seek(0)
                    shared_object = read_shared_object(scratch)
                if _LIBC.fullmatch(member.path):
                    glibc = next(iter(_versions(scratch, _LIBC_VERSION)), "")
                if found := _CPYTHON.fullmatch(member.path):
                    told = set(
                        _versions(scratch, re.compile(_CPYTHON_VERSION % re.escape((found[1] or found[2]).encode())))
                    )
                    cpython = told.pop() if len(told) == 1 else ""
        size += len(shared_object.soname) if shared_object else 0
        if size > _LIMIT:
            raise InputError(
                f"{where}: it has so many files that their list takes {_LIMIT} bytes", next_step="choose another base"
            )
        yield Listed(
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
            cpython,
        )


def _versions(stream: BinaryIO, told: re.Pattern[bytes]) -> Iterator[str]:
    """Give what `told` finds, of which some may come twice."""
    stream.seek(0)
    tail = b""
    while block := stream.read(MiB):
        window = tail + block
        yield from (found[1].decode() for found in told.finditer(window))
        tail = window[-512:]
