"""A graph holds all that a root names: index -> manifests -> blobs, read and checked before any blob is asked for.

Whoever serves manifests may mean harm: each document and the whole are held to limits, every manifest is what its
digest, size and media type say, and no document can be read in two ways (containerd's CVE-2021-41190).
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NoReturn

import msgspec

from cogpack.digest import Digest, sha256
from cogpack.errors import InputError, MismatchError
from cogpack.oci import (
    INDEX_TYPES,
    MANIFEST_LIMIT,
    MANIFEST_TYPES,
    Descriptor,
    FoundManifest,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    declared_type,
    read_config,
    read_manifest,
)

LEVELS = 3
"""Indexes beneath one another."""
MANIFESTS = 2_000
LAYERS = 2_000
"""Of one manifest (Docker stops at 127), or manifests of one index."""
DOCUMENTS = 32 * 1024 * 1024
"""Bytes of all manifests together: they are kept in memory."""
SIZE = 2**53
"""Bytes of one blob and of all: the largest integer that JSON carries everywhere."""
_VALUES = 200_000
"""Values in one document."""

_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
)


class MissingError(InputError):
    """Something names a manifest that is not there."""


class Node(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A node is one manifest or index: `data` are the bytes that `descriptor` names."""

    descriptor: Descriptor
    data: bytes
    document: Manifest | Index

    @property
    def subject(self) -> Descriptor | None:
        return self.document.subject

    @property
    def entry(self) -> Descriptor:
        """Describe it as it is listed among referrers (distribution-spec, "Listing Referrers")."""
        document = self.document
        kind = document.artifact_type or (document.config.media_type if isinstance(document, Manifest) else None)
        return msgspec.structs.replace(self.descriptor, artifact_type=kind, annotations=document.annotations)

    @cached_property
    def children(self) -> tuple[Descriptor, ...]:
        """List the manifests that an index names; what else it names (a build cache's layers) are blobs."""
        named = self.document.manifests if isinstance(self.document, Index) else []
        return tuple(child for child in named if child.media_type in MANIFEST_TYPES)

    @cached_property
    def blobs(self) -> tuple[Descriptor, ...]:
        """List the config, then the layers; without those that their URLs have (`foreign`)."""
        if isinstance(self.document, Index):
            return tuple(child for child in self.document.manifests if child.media_type not in MANIFEST_TYPES)
        return (self.document.config, *(layer for layer in self.document.layers if not _foreign(layer)))

    @cached_property
    def foreign(self) -> tuple[Descriptor, ...]:
        """List layers that a registry need not have: Windows images' base layers."""
        layers = self.document.layers if isinstance(self.document, Manifest) else []
        return tuple(layer for layer in layers if _foreign(layer))


class Graph:
    """A graph reads manifests, each once, children first; the limits hold for all of them together."""

    def __init__(self, read: Callable[[str], FoundManifest | None], *, where: str) -> None:
        """`read` answers what lies under a tag or digest (`Images.manifest`); `where`: the image's name, for errors."""
        self._read = read
        self._where = where
        self._nodes: dict[Digest, Node] = {}
        self._blobs: dict[Digest, Descriptor] = {}
        self.index: FoundManifest | None = None
        """The index that the root was chosen from, and that says what platform it is for."""
        self._manifests = 0
        self._bytes = 0
        self._size = 0

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self._nodes.values())

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """List the blobs of all manifests, each once; `foreign` layers too."""
        return tuple(self._blobs.values())

    @property
    def foreign(self) -> tuple[Descriptor, ...]:
        """List the foreign layers of all manifests, each once."""
        return tuple({layer.digest: layer for node in self.nodes for layer in node.foreign}.values())

    @property
    def size(self) -> int:
        """Count the bytes of all blobs, each once."""
        return self._size

    def root(self, reference: str, platform: Platform | None = None, levels: int = LEVELS) -> Node:
        """Read what `reference` (a tag or digest) names; with `platform`, that one image of an index."""
        found = self._found(reference)
        media_type, data, digest = found.media_type, found.data, found.digest
        # Some servers call every manifest application/json: then it says itself what it is.
        if media_type not in MANIFEST_TYPES:
            if data.lstrip()[:1] == b"<":
                raise InputError(
                    f"{self._where}: a web page, and no manifest",
                    next_step="check the name of the registry and its port",
                )
            media_type = declared_type(self._bounded(data, digest), where=f"{self._where}@{digest}") or media_type
        descriptor = Descriptor(media_type=media_type, digest=digest, size=len(data))
        if platform is not None and media_type in INDEX_TYPES and levels:
            self.index = self.index or found
            chosen = choose(self._document(descriptor, data).manifests, platform, self._where)
            return self.root(chosen.digest, platform, levels - 1)
        return self._add(descriptor, data, levels)

    def add(self, descriptor: Descriptor) -> Node:
        """Read one more manifest, and all beneath it, by descriptor."""
        return self._child(descriptor, LEVELS)

    def _child(self, descriptor: Descriptor, levels: int) -> Node:
        if descriptor.digest in self._nodes:
            return self._nodes[descriptor.digest]
        if descriptor.size > MANIFEST_LIMIT:
            self._refuse(descriptor.digest, f"a manifest of {descriptor.size} bytes; {MANIFEST_LIMIT} at most")
        found = self._found(descriptor.digest)
        if (found.digest, len(found.data)) != (descriptor.digest, descriptor.size):
            raise MismatchError(
                f"{self._where}: expected the manifest {descriptor.digest} of {descriptor.size} bytes, "
                f"found {found.digest} of {len(found.data)}",
                next_step="the index is damaged, or the registry; tell whoever made the image",
            )
        plain = Descriptor(media_type=descriptor.media_type, digest=found.digest, size=len(found.data))
        return self._add(plain, found.data, levels)

    def _add(self, descriptor: Descriptor, data: bytes, levels: int) -> Node:
        self._manifests += 1
        self._bytes += len(data)
        if self._manifests > MANIFESTS or self._bytes > DOCUMENTS:
            self._refuse(descriptor.digest, f"more than {MANIFESTS} manifests or {DOCUMENTS} bytes of them")
        node = Node(descriptor=descriptor, data=data, document=self._document(descriptor, data))
        for blob in (*node.blobs, *node.foreign):
            self._count(descriptor.digest, blob)
        if isinstance(node.document, Index) and not levels:
            self._refuse(descriptor.digest, f"more than {LEVELS} levels of indexes")
        for child in node.children:
            self._child(child, levels - 1)
        self._nodes[descriptor.digest] = node
        return node

    def _count(self, manifest: Digest, blob: Descriptor) -> None:
        known = self._blobs.setdefault(blob.digest, blob)
        if known.size != blob.size:
            self._refuse(manifest, f"the blob {blob.digest} has {known.size} bytes in one place and {blob.size} here")
        if known is blob:
            self._size += blob.size
        if self._size > SIZE:
            self._refuse(manifest, f"its blobs come to {self._size} bytes")

    def _found(self, reference: str) -> FoundManifest:
        """Look up `reference`; the digest is that of the bytes, whatever was said of them."""
        found = self._read(reference)
        if found is None:
            if ":" not in reference:
                raise MissingError(
                    f"{self._where}: there is no such repository, or no tag {reference} in it",
                    next_step="check the name and the tag",
                )
            raise MissingError(
                f"{self._where}: there is no manifest {reference}",
                next_step="check the digest; of an index that was copied in part, name one --platform",
            )
        if len(found.data) > MANIFEST_LIMIT:
            self._refuse(reference, f"a manifest of more than {MANIFEST_LIMIT} bytes")
        return FoundManifest(found.media_type, found.data, sha256(found.data))

    def _document(self, descriptor: Descriptor, data: bytes) -> Any:
        where = f"{self._where}@{descriptor.digest}"
        document = read_manifest(self._bounded(data, descriptor.digest), descriptor.media_type, where=where)
        named = document.manifests if isinstance(document, Index) else document.layers
        if len(named) > LAYERS:
            self._refuse(descriptor.digest, f"it names {len(named)} things; {LAYERS} at most")
        return document

    def _bounded(self, data: bytes, digest: Digest) -> bytes:
        if sum(data.count(sign) for sign in (b",", b"[", b"{")) > _VALUES:
            self._refuse(digest, f"more than {_VALUES} values")
        return data

    def _refuse(self, digest: str, why: str) -> NoReturn:
        raise InputError(
            f"{self._where}@{digest}: {why}" if ":" in digest else f"{self._where}:{digest}: {why}",
            next_step="check that the name is a container image's; if it is, its maker must repair it",
        )


def read_graph(
    read: Callable[[str], FoundManifest | None], reference: str, *, where: str, platform: Platform | None = None
) -> Graph:
    """Read and check all that a tag or digest names; its root is the last of `nodes`. No blob is asked for.

    `where`: the image's name, for errors. Hostile or damaged documents are an `InputError` or a `MismatchError`.
    """
    graph = Graph(read, where=where)
    graph.root(reference, platform)
    return graph


def choose(children: Iterable[Descriptor], platform: Platform, where: str) -> Descriptor:
    """Choose the first child of an index that is for `platform`."""
    offered = [child for child in children if child.platform is not None]
    for child in offered:
        if child.platform is not None and _fits(child.platform, platform):
            return child
    names = ", ".join(sorted({_stated(child.platform) for child in offered if child.platform}))
    raise InputError(
        f"{where} has no image for {platform}; it has {names or 'none'}",
        next_step="choose another image or platform",
    )


def check_platform(config: bytes, wanted: Platform, where: str) -> None:
    """Check that the config of an image that no index offered is for `wanted` (image-spec config.md)."""
    found = read_config(config, ImageConfig, where=f"{where}: image config").platform
    if (found.os, found.architecture) != (wanted.os, wanted.architecture):  # variants are often left out
        raise InputError(f"{where} is for {_stated(found)}, not {wanted}", next_step="choose another image or platform")


def _stated(platform: Platform) -> str:
    """Name a platform for people: builders of scratch images leave both fields empty."""
    return str(platform) or "no stated platform"


def _fits(offered: Platform, wanted: Platform) -> bool:
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return False
    if wanted.architecture == "arm64":  # v8 is the only one, said or not
        return (offered.variant or "v8") == (wanted.variant or "v8")
    return wanted.variant in (None, offered.variant)


def _foreign(layer: Descriptor) -> bool:
    return layer.media_type.startswith(_FOREIGN)
