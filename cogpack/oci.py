"""This module has the documents of the OCI image-spec v1.1 and of the Docker image format v2.2, under their spec names.

Unknown fields of documents that others made are kept where we pass them on (image configs); manifests of others are
only read. `encode` is the one JSON encoder: compact, UTF-8, fields in the order written here, map keys sorted.
"""

import re
from typing import Any, TypeVar

import msgspec

from cogpack.digest import DiffID, Digest, parse_digest, sha256
from cogpack.documents import check, folded
from cogpack.errors import InputError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
"""The config of an artifact that needs none: `{}` (image-spec manifest.md, "Guidance for an Empty Descriptor")."""
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

MANIFEST_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)

CONFIG_LIMIT = 8 * 1024 * 1024
"""Bytes of an image config that is read."""

MANIFEST_LIMIT = 4 * 1024 * 1024 - 1
"""Bytes; what distribution, zot, ACR, ECR and Harbor accept as a manifest."""

MADE_LIMIT = 7 * 1024 * 1024 // 2
"""Bytes of a manifest that we make: registries don't all count alike (ECR: characters)."""

_TO_OCI = {DOCKER_LAYER_GZIP: OCI_LAYER_GZIP, DOCKER_LAYER: OCI_LAYER}

T = TypeVar("T")


LAYER_KEY = "dev.cogpack.layer.key"
"""Annotation of a layer's descriptor: lets a later push know what a recipe came out as, from the manifest alone."""


AUTHOR = "cogpack"  # of those steps of a history whose comment is the name of a layer
LAYER_NAME = "dev.cogpack.layer.name"


TITLE = "org.opencontainers.image.title"
"""Annotation of an artifact's blob: the file that it was (image-spec annotations.md)."""


class Platform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """image-spec image-index.md, `platform`."""

    architecture: str
    os: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Read `linux/amd64`, `linux/arm64` or `linux/arm/v7`."""
        os, _, rest = text.partition("/")
        architecture, _, variant = rest.partition("/")
        if not os or not architecture:
            raise InputError(f"platform {text!r}: expected OS/ARCH", next_step="write linux/amd64 or linux/arm64")
        return cls(architecture=architecture, os=os, variant=variant or None)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """image-spec descriptor.md."""

    media_type: str
    digest: Digest
    size: int
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str | None = None
    urls: list[str] | None = None

    def __post_init__(self) -> None:
        parse_digest(self.digest, where="descriptor")
        if self.size < 0:
            raise InputError(f"descriptor {self.digest}: size {self.size}", next_step="the document is damaged")


class FoundManifest(msgspec.Struct, frozen=True):
    """A manifest or index as it was found under a name or digest, not looked into yet.

    `media_type` is what it was given out as, "" where nobody said; `digest` is that of `data`.
    """

    media_type: str
    data: bytes
    digest: Digest


class LayerInfo(msgspec.Struct, frozen=True):
    """What is known of a layer once its bytes have been seen (or vouched for)."""

    descriptor: Descriptor
    diff_id: DiffID

    def __post_init__(self) -> None:
        parse_digest(self.diff_id, where=f"diff ID of {self.descriptor.digest}")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """image-spec manifest.md; Docker's schema 2 has the same fields."""

    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor
    layers: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """image-spec image-index.md; Docker's manifest list has the same fields."""

    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    manifests: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class RootFS(msgspec.Struct, frozen=True):
    """image-spec config.md, `rootfs`."""

    diff_ids: list[str] | None = None


class Execution(msgspec.Struct, frozen=True, rename="pascal"):
    """image-spec config.md, `config`."""

    env: list[str] | None = None
    labels: dict[str, str] | None = None
    user: str | None = None
    working_dir: str | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None


class ImageConfig(msgspec.Struct, frozen=True):
    """image-spec config.md: what is read of the configs that others made. The rest is passed on as it is.

    Builders of scratch images leave out the platform, and artifacts all of it; what Go has nothing of is `null`.
    """

    architecture: str = ""
    os: str = ""
    variant: str | None = None
    rootfs: RootFS | None = None
    config: Execution | None = None
    history: list[dict[str, Any]] | None = None

    @property
    def platform(self) -> Platform:
        return Platform(architecture=self.architecture, os=self.os, variant=self.variant)

    @property
    def diff_ids(self) -> list[str]:
        """List what its layers unpack to, bottom first."""
        return (self.rootfs.diff_ids if self.rootfs else None) or []


class Image(msgspec.Struct, frozen=True):
    """One image, encoded once: the bytes that are hashed are the bytes that are sent.

    `layers` are (layer key, info) pairs, bottom first.
    """

    config: bytes
    manifest: bytes
    layers: tuple[tuple[str, LayerInfo], ...]

    @property
    def config_descriptor(self) -> Descriptor:
        return Descriptor(media_type=OCI_CONFIG, digest=sha256(self.config), size=len(self.config))

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(media_type=OCI_MANIFEST, digest=sha256(self.manifest), size=len(self.manifest))


class ImageIndex(msgspec.Struct, frozen=True):
    """Is an index of images, encoded once."""

    data: bytes

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(media_type=OCI_INDEX, digest=sha256(self.data), size=len(self.data))


def encode(document: Any) -> bytes:
    """Write the JSON of `document`: compact, maps sorted by key, structs in field order."""
    return msgspec.json.encode(document, order="deterministic")


def encode_result(result: Any) -> bytes:
    """Encode for programs that are told of names: in JSON there are only characters, so each byte of a name that is no
    UTF-8 is written as the four characters \\xNN."""
    try:
        return encode(result)
    except UnicodeEncodeError:
        return encode(_in_characters(msgspec.to_builtins(result)))


def _in_characters(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", lambda odd: f"\\x{ord(odd[0]) & 0xFF:02x}", value)
    if isinstance(value, dict):
        return {_in_characters(key): _in_characters(item) for key, item in value.items()}
    return [_in_characters(item) for item in value] if isinstance(value, list | tuple) else value


def encode_manifest(manifest: Manifest, *, next_step: str) -> bytes:
    """Write a manifest of ours; an `InputError` where not every registry would take it."""
    data = encode(manifest)
    if len(data) > MADE_LIMIT:
        raise InputError(
            f"the manifest would have {len(data)} bytes; {MADE_LIMIT} are sure to be taken by registries",
            next_step=next_step,
        )
    return data


def decode(data: bytes, type: type[T], *, where: str, shape: Any = None) -> T:  # noqa: A002 - the word msgspec uses
    """Read `data` as `type`; anything else, and what others may read otherwise (`documents`), is an `InputError` naming
    `where`. `shape`: the type whose names its keys have, where `type` does not say so."""
    return _decode(data, type, where, shape or type)[0]


def _decode(data: bytes, kind: type[T], where: str, shape: Any) -> tuple[T, Any]:
    """Return it as `kind`, and as the bare values of JSON."""
    try:
        found = check(data, shape)
        return msgspec.json.decode(data, type=kind), found
    except InputError as error:
        raise InputError(f"{where}: {error.message}", next_step=error.next_step) from error
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise InputError(
            f"{where}: not a valid {_called(kind)}: {error!s:.500}",
            next_step="check that the reference names a container image",
        ) from error


def read_config(data: bytes, kind: type[T], *, where: str) -> T:
    """Read what `kind` has of an image config, none of whose keys may be another's to whoever runs the image."""
    return decode(data, kind, where=where, shape=_ConfigNames)


def declared_type(data: bytes, *, where: str) -> str:
    """Return the media type that a manifest or index says it has, "" if none."""
    return decode(data, _Declared, where=where).media_type or ""


def read_manifest(data: bytes, media_type: str, *, where: str) -> Manifest | Index:
    """Read the manifest or index `data`, which must be what `media_type` says and can't be taken for the other."""
    next_step = "check that the name is a container image's; if it is, its maker must repair it"
    if media_type not in MANIFEST_TYPES:
        raise InputError(f"{where}: its media type is {media_type!r:.100}", next_step=next_step)
    kind: type[Manifest | Index] = Index if media_type in INDEX_TYPES else Manifest
    document, found = _decode(data, kind, where, kind)
    strange = {"fslayers", *(("layers", "config") if kind is Index else ("manifests",))}
    if strange & set(map(folded, found)):
        raise InputError(f"{where}: it is both a manifest and an index", next_step=next_step)
    if document.schema_version != 2 or document.media_type not in (None, media_type):
        raise InputError(
            f"{where}: expected {media_type} of schema 2, "
            f"found {document.media_type!r:.100} of schema {document.schema_version}",
            next_step=next_step,
        )
    return document


class _Ran(msgspec.Struct, rename="pascal"):
    """All names of image-spec config.md, `config`, and of Docker's."""

    user: Any = None
    exposed_ports: Any = None
    env: Any = None
    entrypoint: Any = None
    cmd: Any = None
    args_escaped: Any = None
    volumes: Any = None
    working_dir: Any = None
    labels: Any = None
    stop_signal: Any = None
    stop_timeout: Any = None
    healthcheck: Any = None
    on_build: Any = None
    shell: Any = None


class _Root(msgspec.Struct):
    type: Any = None
    diff_ids: Any = None


class _Step(msgspec.Struct):
    created: Any = None
    created_by: Any = None
    author: Any = None
    comment: Any = None
    empty_layer: Any = None


class _ConfigNames(msgspec.Struct):
    """All names of image-spec config.md."""

    architecture: Any = None
    os: Any = None
    variant: Any = None
    version: Any = msgspec.field(name="os.version", default=None)
    features: Any = msgspec.field(name="os.features", default=None)
    created: Any = None
    author: Any = None
    config: _Ran | None = None
    rootfs: _Root | None = None
    history: list[_Step] | None = None


def _called(kind: type) -> str:
    """Say what people call a document of that type."""
    words = re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.__name__.removeprefix("_")).lower()
    return {"declared": "manifest", "version": "oci-layout", "dict": "document"}.get(words, words)


class _Declared(msgspec.Struct, rename="camel"):
    media_type: str | None = None


def oci_layer_type(media_type: str) -> str:
    """Return the OCI name of a layer's media type; the bytes are the same in both families."""
    return _TO_OCI.get(media_type, media_type)
