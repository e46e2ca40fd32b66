"""An OCI image layout directory (image-spec image-layout.md): `oci-layout`, `index.json`, `blobs/sha256/<hex>`.

Blobs are written beside the rest, then renamed; `index.json` is replaced in one step, under a lock that excludes
other threads and other processes. A killed writer leaves nothing that can be mistaken for a blob.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

from cogpack.digest import Digest, Hasher, parse_digest, sha256, verified
from cogpack.disk import UNFINISHED, is_refusal, open_file, reading, real_path, write_whole, writing
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.layout.incoming import Incoming
from cogpack.oci import CONFIG_LIMIT, OCI_INDEX, Descriptor, Index, decode, encode
from cogpack.patterns import pattern
from cogpack.sizes import BLOCK

REF_NAME = "org.opencontainers.image.ref.name"
"""Annotation of a descriptor in index.json: the name it goes by (image-spec annotations.md)."""

_REFERRERS = pattern(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?")
"""Names of lists of signatures and the like (distribution-spec, "Referrers Tag Schema"), and of cosign's images."""

_VERSION = {"imageLayoutVersion": "1.0.0"}
_INDEX_LIMIT = 64 * 1024 * 1024


class _Version(msgspec.Struct):
    version: str | None = msgspec.field(name="imageLayoutVersion", default=None)


class Layout:
    """A layout of this machine: `create` makes one or opens it for writing, `read` wants one that is there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sound: bytes | None = None
        self._made = False

    @classmethod
    def create(cls, root: Path) -> Self:
        """Make a layout of a missing or empty directory, or open the one that is there.

        Anything else is an `InputError`, and stays as it is.
        """
        layout = cls(root)
        cls.check(root)
        with writing(root):
            layout._made = not root.exists()
            real_path(root).mkdir(parents=True, exist_ok=True)
        with layout._locked():
            cls.check(root)
            with writing(root):
                if not (root / "oci-layout").exists():
                    write_whole(root / "oci-layout", [encode(_VERSION)])
                (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            layout._sweep()
        return layout

    @classmethod
    def check(cls, root: Path) -> None:
        """Raise what `create` will refuse, before anything is done for it."""
        with writing(root):
            if not os.path.lexists(real_path(root)):
                return
            if not root.is_dir():
                raise InputError(f"{root}: is a file, not a directory", next_step="choose another output directory")
            others = [path for path in root.iterdir() if not path.name.startswith(UNFINISHED)]
            if others and not (root / "oci-layout").exists():  # asked last: another process may be making the layout
                raise InputError(
                    f"{root}: holds files and is not an OCI image layout",
                    next_step="choose a new or empty directory for the output",
                )
            is_layout = (root / "oci-layout").exists()
        if is_layout:
            layout = cls(root)
            layout._check_version()

    @contextmanager
    def filling(self, *, again: bool = False) -> Iterator[None]:
        """Hold the layout while an image comes.

        If it is refused (`is_refusal`), a layout that never had one goes again, unless another process is at it; what
        the user had made stays, empty. `again`: what differed may not differ the next time.
        """
        with writing(self.root):
            holding = os.open(self.root / "blobs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(holding, fcntl.LOCK_SH)
            yield
        except CogpackError as error:
            if is_refusal(error) and not (again and isinstance(error, MismatchError)):
                self._withdraw(holding)
            raise
        finally:
            os.close(holding)

    def _withdraw(self, holding: int) -> None:
        with suppress(OSError, InputError), self._locked():
            if os.path.lexists(self.root / "index.json"):
                return
            fcntl.flock(holding, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for directory in (self.unfinished, self.root / "blobs"):
                shutil.rmtree(directory, ignore_errors=True)
            (self.root / "oci-layout").unlink()
            if self._made:
                self.root.rmdir()

    @classmethod
    def read(cls, root: Path) -> Self:
        """Open a layout that is there, for reading."""
        try:
            root.stat()
            for name in ("oci-layout", "index.json"):
                open_file(root / name).close()
        except FileNotFoundError as error:
            if error.filename == str(root):
                raise InputError(f"{root}: there is no such directory", next_step="check the name") from None
            raise InputError(
                f"{root}: not an OCI image layout (it has no oci-layout or no index.json)",
                next_step="name a directory that cogpack build -o DIR has written",
            ) from None
        except OSError as error:
            raise InputError(
                f"{root}: {error.strerror}", next_step="check the name, and what this user may read"
            ) from error
        layout = cls(root)
        layout._check_version()
        return layout

    def _check_version(self) -> None:
        where = self.root / "oci-layout"
        try:
            found = decode(_bounded(where, CONFIG_LIMIT), _Version, where=str(where)).version
        except FileNotFoundError:
            found = None
        if found != _VERSION["imageLayoutVersion"]:
            raise InputError(
                f"{where}: expected image layout version 1.0.0, found {found!r:.100}",
                next_step="choose a new or empty directory",
            )

    # Blobs

    def blob_path(self, digest: Digest) -> Path:
        algorithm, _, encoded = parse_digest(digest, where="blob").partition(":")
        return self.root / "blobs" / algorithm / encoded

    def blob_size(self, digest: Digest) -> int | None:
        """Return the bytes of a blob, None where there is none."""
        try:
            return self.blob_path(digest).stat().st_size
        except OSError:
            return None

    def has(self, blob: Descriptor) -> bool:
        return self.blob_size(blob.digest) == blob.size

    def blob_bytes(self, blob: Descriptor, *, limit: int = CONFIG_LIMIT) -> bytes:
        """Return a small blob (a manifest, a config), checked against its descriptor."""
        if blob.size > limit:
            raise InputError(
                f"{self.root}: {blob.digest} has {blob.size} bytes; a document has {limit} at most",
                next_step="check that the directory holds a container image",
            )
        path = self.blob_path(blob.digest)
        try:
            data = _bounded(path, blob.size)
        except FileNotFoundError:
            raise InputError(f"{self.root}: {blob.digest} is missing", next_step="build the layout again") from None
        if len(data) != blob.size or sha256(data) != blob.digest:
            raise MismatchError(
                f"{path}: expected {blob.size} bytes with this digest, found {len(data)} with {sha256(data)}",
                next_step="delete the directory and build it again",
            )
        return data

    @contextmanager
    def blob(self, blob: Descriptor) -> Iterator[Iterator[bytes]]:
        """Open a blob, in blocks; the last one is only given when all were right."""
        path = self.blob_path(blob.digest)

        def check(found: Hasher) -> None:
            if (found.size, found.digest) != (blob.size, blob.digest):
                raise MismatchError(
                    f"{path}: expected {blob.size} bytes with this digest, found {found.size} with {found.digest}",
                    next_step="delete the directory and build it again",
                )

        try:
            opened = open_file(path)
        except FileNotFoundError:
            raise InputError(f"{self.root}: {blob.digest} is missing", next_step="build the layout again") from None
        with opened as stream:
            yield verified(_blocks(stream, blob.size, path), check)

    def add(self, data: bytes) -> Digest:
        """Store a small blob. One that is there already is compared, and replaced if it is damaged."""
        digest = sha256(data)
        path = self.blob_path(digest)
        if not path.is_file() or path.read_bytes() != data:
            with self.incoming() as blob:
                blob.write(data)
                blob.keep(digest)
        return digest

    @property
    def unfinished(self) -> Path:
        """The directory of blobs that come in pieces. What is in it outlives its writer, and is swept by nobody."""
        return self.root / f"{UNFINISHED}unfinished"

    def incoming(self) -> Incoming:
        return Incoming(self.root, self.blob_path)

    def _sweep(self) -> None:
        """Remove what killed writers left: files that nobody holds a lock on. The layout itself must be locked."""
        for path in list(self.root.glob(f"{UNFINISHED}*")):
            with suppress(OSError, InputError), open_file(path) as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    # The index

    def entries(self) -> list[dict[str, Any]]:
        """Return the descriptors of index.json, all their fields kept; none before the first `publish`."""
        where = self.root / "index.json"
        try:
            data = _bounded(where, _INDEX_LIMIT)
        except FileNotFoundError:
            return []
        # Asked for again and again by those who write it themselves: what was sound is, and is only read.
        index: Any = (
            msgspec.json.decode(data) if data == self._sound else decode(data, dict, where=str(where), shape=Index)
        )
        self._sound = data
        found = index.get("manifests")
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise InputError(f"{where}: manifests is not a list of descriptors", next_step="build the layout again")
        return found

    def names(self) -> dict[str, Descriptor]:
        """Return the named descriptors of index.json."""
        return {name: self._descriptor(entry) for entry in self.entries() if (name := _ref_name(entry)) is not None}

    def nameless(self) -> list[Descriptor]:
        """Return the others; what can't be one of our descriptors (another digest algorithm) is left out."""
        found = []
        for entry in self.entries():
            if _ref_name(entry) is None:
                with suppress(InputError):
                    found.append(self._descriptor(entry))
        return found

    def publish(self, named: Mapping[str, Descriptor], *, withdrawn: Collection[str] = ()) -> None:
        """Give descriptors their names in index.json; other names stay. The last step: it makes them visible.

        `withdrawn` are names that end, in the same step.
        """
        with self._locked():
            replaced = {*named, *withdrawn}
            kept = [entry for entry in self.entries() if _ref_name(entry) not in replaced]
            for name, descriptor in named.items():
                annotations = {**(descriptor.annotations or {}), REF_NAME: name}
                kept.append(decode(encode(descriptor), dict, where="descriptor") | {"annotations": annotations})
            kept.sort(key=lambda entry: _ref_name(entry) or "")
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": kept}
            data = encode(index)
            write_whole(self.root / "index.json", [data])
            self._sound = data

    def image(self, name: str | None = None) -> Descriptor:
        """Return what `name` stands for; without, the layout's one image: other clients list parts and referrers
        too."""
        entries = self.entries()
        if name is not None:
            entries = [entry for entry in entries if _ref_name(entry) == name]
        else:
            named = [entry for entry in entries if not _REFERRERS.fullmatch(_ref_name(entry) or "")]
            entries = [entry for entry in named if _ref_name(entry)] or named
        digests = {str(entry.get("digest")) for entry in entries}
        if len(digests) != 1:
            names = ", ".join(_ref_name(entry) or str(entry.get("digest")) for entry in self.entries())
            raise InputError(
                f"{self.root}: expected one image{f' called {name:.200}' if name else ''}, "
                f"found {len(digests)} ({names:.300})",
                next_step="name one as DIR:NAME, or build each image into a directory of its own",
            )
        return self._descriptor(entries[0])

    def _descriptor(self, entry: dict[str, Any]) -> Descriptor:
        try:
            return decode(encode(entry), Descriptor, where="manifests")
        except InputError as error:
            raise InputError(f"{self.root / 'index.json'}: {error.message}", next_step=error.next_step) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with writing(self.root):
            directory = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)


def _ref_name(entry: Mapping[str, Any]) -> str | None:
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def _blocks(stream: BinaryIO, size: int, path: Path) -> Iterator[bytes]:
    """All there is, but no more than tells that it is more than `size`."""
    while size >= 0:
        with reading(path, "check the disk"):
            block = stream.read(BLOCK)
        if not block:
            return
        size -= len(block)
        yield block


def _bounded(path: Path, limit: int) -> bytes:
    """Read a file of `limit` bytes at most; `FileNotFoundError` where there is none."""
    with open_file(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path}: more than {limit} bytes", next_step="check that this is a container image")
    return data
