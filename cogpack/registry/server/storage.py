"""What the server keeps: one OCI image layout, and which repository may see which of its blobs and manifests.

blobs/sha256/<hex>                                the bytes, once
repositories/<name>/_blobs/<hex>                  empty: the repository has this blob
repositories/<name>/_manifests/<hex>              the media type of a manifest that the repository has
repositories/<name>/_referrers/<subject>/<hex>    empty: that manifest, if it is there, has this subject
index.json                                        the tags: descriptors named `<name>:<tag>`

Each file appears whole or not at all, and outlives a power cut once its request is answered. Deleting forgets the
record; the bytes stay, for other repositories and other writers of the layout may name them.
"""

import fcntl
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import Digest
from cogpack.disk import sync_directory, writing
from cogpack.errors import InputError
from cogpack.layout import Layout
from cogpack.oci import MANIFEST_TYPES, Descriptor, Index, Manifest, read_manifest
from cogpack.registry.server.failure import Refusal


class Storage:
    """Keeps what the server has. Names, tags and digests given to it must have been parsed (`names.py`). One server per
    directory."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout.create(directory)
        self._lock = threading.Lock()  # a tag is never put on a manifest that is being deleted
        self._serving = os.open(directory / "oci-layout", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._serving, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise InputError(
                f"{directory}: another registry serves this directory", next_step="stop it, or choose another directory"
            ) from error
        self.layout.publish({})  # an empty registry is a readable layout too

    def close(self) -> None:
        os.close(self._serving)

    # Blobs

    def blob(self, repository: str, digest: Digest) -> Path | None:
        """Return the file of a blob that `repository` has."""
        path = self.layout.blob_path(digest)
        return path if self._record(repository, "_blobs", digest).exists() and path.is_file() else None

    def record_blob(self, repository: str, digest: Digest) -> None:
        self._write(self._record(repository, "_blobs", digest), b"")

    def mount(self, source: str, target: str, digest: Digest) -> bool:
        if self.blob(source, digest) is None:
            return False
        self.record_blob(target, digest)
        return True

    def delete_blob(self, repository: str, digest: Digest) -> bool:
        """Forget a blob of the repository; False where there is none."""
        return self._remove(self._record(repository, "_blobs", digest))

    # Manifests and tags

    def manifest(self, repository: str, reference: str | Digest) -> tuple[Descriptor, Path] | None:
        """Find a manifest by tag or by digest."""
        digest = Digest(reference) if ":" in reference else self.tags(repository).get(reference)
        if digest is None:
            return None
        record, path = self._record(repository, "_manifests", digest), self.layout.blob_path(digest)
        if not record.is_file() or not path.is_file():
            return None
        return Descriptor(media_type=record.read_text(), digest=digest, size=path.stat().st_size), path

    def put_manifest(self, repository: str, media_type: str, data: bytes, tags: Collection[str]) -> Manifest | Index:
        """Store a manifest once it is what `media_type` says, and all that it names is here. The tags are moved
        last."""
        document = read_document(media_type, data)
        self._check_parts(repository, document)
        digest = self.layout.add(data)
        descriptor = Descriptor(media_type=media_type, digest=digest, size=len(data))
        with self._lock:
            if document.subject is not None:
                self._write(self._referrers(repository, document.subject.digest) / _hex(digest), b"")
            self._write(self._record(repository, "_manifests", digest), media_type.encode())
            if tags:
                self.layout.publish({f"{repository}:{tag}": descriptor for tag in tags})
        return document

    def _check_parts(self, repository: str, document: Manifest | Index) -> None:
        """Refuse a document of which not all is here. The subject may come later, says the spec."""
        for wanted in document.manifests if isinstance(document, Index) else (document.config, *document.layers):
            kind = "_manifests" if wanted.media_type in MANIFEST_TYPES else "_blobs"
            if not self._record(repository, kind, wanted.digest).exists():
                raise Refusal(400, "MANIFEST_BLOB_UNKNOWN", f"{wanted.digest} is not in {repository}")
            if not self.layout.has(wanted):
                raise Refusal(
                    400,
                    "MANIFEST_INVALID",
                    f"{wanted.digest} has {self.layout.blob_size(wanted.digest)} bytes, not {wanted.size}",
                )

    def delete_manifest(self, repository: str, reference: str | Digest) -> bool:
        """Forget a tag alone, or a digest with all its tags; False where there is none."""
        with self._lock:
            tags = self.tags(repository)
            if ":" not in reference:
                if found := reference in tags:
                    self.layout.publish({}, withdrawn=[f"{repository}:{reference}"])
                return found
            if pointing := [f"{repository}:{tag}" for tag, digest in tags.items() if digest == reference]:
                self.layout.publish({}, withdrawn=pointing)
            return self._remove(self._record(repository, "_manifests", Digest(reference)))

    def tags(self, repository: str) -> dict[str, Digest]:
        """Return tags, each with its manifest's digest."""
        prefix = f"{repository}:"
        return {
            name.removeprefix(prefix): descriptor.digest
            for name, descriptor in self.layout.names().items()
            if name.startswith(prefix)
        }

    def has_repository(self, repository: str) -> bool:
        return (self.layout.root / "repositories" / repository / "_manifests").is_dir()

    def referrers(self, repository: str, subject: Digest, *, after: str) -> Iterator[Descriptor]:
        """Yield what has `subject`, in the order of digests, from the first one behind `after` on."""
        try:
            found = sorted(path.name for path in self._referrers(repository, subject).iterdir())
        except FileNotFoundError:
            return
        for name in found:
            digest = Digest(f"sha256:{name}")
            if digest > after and (stored := self.manifest(repository, digest)):
                descriptor, path = stored
                with suppress(Refusal):  # of one that an earlier release took
                    yield _listed(read_document(descriptor.media_type, path.read_bytes()), descriptor)

    # Records

    def _record(self, repository: str, kind: str, digest: Digest) -> Path:
        return self.layout.root / "repositories" / repository / kind / _hex(digest)

    def _referrers(self, repository: str, subject: Digest) -> Path:
        return self._record(repository, "_referrers", subject)

    def _write(self, record: Path, data: bytes) -> None:
        if record.is_file() and record.read_bytes() == data:
            return
        with writing(self.layout.root):
            _make_directory(record.parent)
        with self.layout.incoming() as incoming:
            incoming.write(data)
            incoming.move(record)

    def _remove(self, record: Path) -> bool:
        with writing(self.layout.root):
            try:
                record.unlink()
            except FileNotFoundError:
                return False
            sync_directory(record.parent)
            return True


def read_document(media_type: str, data: bytes) -> Manifest | Index:
    """Read `data`, which must be what `media_type` says, and nothing else to any client."""
    try:
        return read_manifest(data, media_type, where="the body")
    except InputError as error:
        raise Refusal(400, "MANIFEST_INVALID", error.message) from error


def _listed(document: Manifest | Index, stored: Descriptor) -> Descriptor:
    """Describe it as its subject's referrers list it (distribution-spec, "Listing Referrers")."""
    kind = document.artifact_type or (document.config.media_type if isinstance(document, Manifest) else None)
    return msgspec.structs.replace(stored, annotations=document.annotations, artifact_type=kind)


def _hex(digest: Digest) -> str:
    return digest.removeprefix("sha256:")


def _make_directory(path: Path) -> None:
    if not path.is_dir():
        _make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync_directory(path.parent)
