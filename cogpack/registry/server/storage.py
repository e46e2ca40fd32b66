"""What the server keeps: one OCI image layout, and which repository may see which of its blobs and manifests.

blobs/sha256/<hex>                      the bytes, once
repositories/<name>/_blobs/<hex>        empty: the repository has this blob
repositories/<name>/_manifests/<hex>    the media type of a manifest that the repository has
index.json                              the tags: descriptors named `<name>:<tag>`
"""

from pathlib import Path

from cogpack.digest import Digest, sha256
from cogpack.errors import InputError
from cogpack.layout import Layout, replace
from cogpack.oci import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Index, Manifest, decode
from cogpack.reference import Reference
from cogpack.registry.server.failure import Refusal


class Storage:
    """Names, tags and digests given to it must have been parsed (`repository_name`, `parse_digest`)."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout.create(directory)
        self.layout.publish({})  # an empty registry is a readable layout too

    def _record(self, repository: str, kind: str, digest: Digest) -> Path:
        return self.layout.root / "repositories" / repository / kind / digest.removeprefix("sha256:")

    # Blobs

    def blob(self, repository: str, digest: Digest) -> Path | None:
        """The file of a blob that `repository` has."""
        path = self.layout.blob_path(digest)
        return path if self._record(repository, "_blobs", digest).exists() and path.is_file() else None

    def record_blob(self, repository: str, digest: Digest) -> None:
        record = self._record(repository, "_blobs", digest)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()

    def mount(self, source: str, target: str, digest: Digest) -> bool:
        if self.blob(source, digest) is None:
            return False
        self.record_blob(target, digest)
        return True

    # Manifests

    def manifest(self, repository: str, reference: str | Digest) -> tuple[Descriptor, Path] | None:
        """By tag or by digest."""
        digest = Digest(reference) if ":" in reference else self.tags(repository).get(reference)
        if digest is None:
            return None
        record, path = self._record(repository, "_manifests", digest), self.layout.blob_path(digest)
        if not record.is_file() or not path.is_file():
            return None
        return Descriptor(media_type=record.read_text(), digest=digest, size=path.stat().st_size), path

    def put_manifest(self, repository: str, reference: str | Digest, media_type: str, data: bytes) -> Digest:
        """Checked first: it is what `media_type` says, and all that it names is here. A tag is moved last."""
        digest = sha256(data)
        if ":" in reference and reference != digest:
            raise Refusal(400, "DIGEST_INVALID", f"the body's digest is {digest}, not {reference}")
        self._check_manifest(repository, media_type, data)
        self.layout.add(data)
        record = self._record(repository, "_manifests", digest)
        record.parent.mkdir(parents=True, exist_ok=True)
        replace(record, media_type.encode())
        if ":" not in reference:
            descriptor = Descriptor(media_type=media_type, digest=digest, size=len(data))
            self.layout.publish({f"{repository}:{reference}": descriptor})
        return digest

    def _check_manifest(self, repository: str, media_type: str, data: bytes) -> None:
        if media_type not in MANIFEST_TYPES:
            raise Refusal(400, "MANIFEST_INVALID", f"media type {media_type!r:.200}")
        try:
            document: Manifest | Index
            if media_type in INDEX_TYPES:
                document = decode(data, Index, where="the body")
                needed, kind = document.manifests, "_manifests"
            else:
                document = decode(data, Manifest, where="the body")
                needed, kind = [document.config, *document.layers], "_blobs"
        except InputError as error:
            raise Refusal(400, "MANIFEST_INVALID", error.message) from error
        if document.schema_version != 2 or document.media_type not in (None, media_type):
            raise Refusal(
                400,
                "MANIFEST_INVALID",
                f"schema {document.schema_version}, media type {document.media_type} sent as {media_type}",
            )
        for wanted in needed:
            if not self._record(repository, kind, wanted.digest).exists():
                raise Refusal(400, "MANIFEST_BLOB_UNKNOWN", f"{wanted.digest} is not in {repository}")
            if not self.layout.has(wanted):
                raise Refusal(
                    400,
                    "MANIFEST_INVALID",
                    f"{wanted.digest} has {self.layout.blob_size(wanted.digest)} bytes, not {wanted.size}",
                )

    def tags(self, repository: str) -> dict[str, Digest]:
        """Tag to manifest digest."""
        prefix = f"{repository}:"
        return {
            name.removeprefix(prefix): descriptor.digest
            for name, descriptor in self.layout.names().items()
            if name.startswith(prefix)
        }

    def has_repository(self, repository: str) -> bool:
        return (self.layout.root / "repositories" / repository / "_manifests").is_dir()


def repository_name(text: str) -> str:
    """`text`, if it is one (distribution-spec, "Pulling manifests"): nothing else may become a path."""
    try:
        if Reference.parse(f"localhost/{text}").repository == text:
            return text
    except InputError:
        pass
    raise Refusal(400, "NAME_INVALID", f"{text!r:.300} is not a repository name")


def tag_name(text: str) -> str:
    try:
        if Reference.parse(f"localhost/name:{text}").tag == text:
            return text
    except InputError:
        pass
    raise Refusal(400, "MANIFEST_INVALID", f"{text!r:.300} is not a tag")
