"""Layers and settings become an image: the same input gives the same bytes (image-spec config.md, manifest.md)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cogpack.digest import sha256
from cogpack.layers.tar import EPOCH
from cogpack.oci import (
    AUTHOR,
    LAYER_KEY,
    LAYER_NAME,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Image,
    ImageIndex,
    Index,
    LayerInfo,
    Manifest,
    Platform,
    decode,
    encode,
    encode_manifest,
    oci_layer_type,
)
from cogpack.text import utc

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What engines give to an image that has none."""
LAYER_LIMIT = 100
"""Docker runs 125 layers and fails at 126; the rest is room for images built `FROM` this one."""
_DOCKER_ONLY = frozenset({"container", "container_config", "docker_version", "id", "parent"})
_REPLACED = frozenset({"Healthcheck", "OnBuild", "Shell", "User"})


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How the container starts (image-spec config.md, `config`). `path`: goes before the base's PATH."""

    environment: tuple[tuple[str, str], ...]
    path: str | None
    command: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    user: str | None = None
    working_directory: str
    ports: tuple[str, ...]
    labels: Mapping[str, str]


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What is written on an image besides what it is made of. `created`: seconds since 1970."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    created: int | None = None


class BaseImage(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry base contributes besides its layers: the raw config, unknown fields and all."""

    config: Mapping[str, Any]


class NamedLayer(msgspec.Struct, frozen=True):
    """Is one layer as the image lists it."""

    name: str
    key: str
    info: LayerInfo


def assemble(
    parts: Sequence[NamedLayer],
    run: Run,
    *,
    platform: Platform,
    base: BaseImage | None = None,
    base_layers: int = 0,
    annotations: Mapping[str, str] = {},
    created: int = EPOCH,
) -> Image:
    """Make an image of `parts`, bottom first; the first `base_layers` are the base's. `created`: seconds since 1970."""
    config = encode(_config(parts, run, platform, base, base_layers, created))
    layers = [_layer(part, own=index >= base_layers) for index, part in enumerate(parts)]
    manifest = encode_manifest(
        Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            config=Descriptor(media_type=OCI_CONFIG, digest=sha256(config), size=len(config)),
            layers=layers,
            annotations=dict(annotations) or None,
        ),
        next_step="shorten the descriptions in the predictor's inputs, or the paths of weights",
    )
    return Image(config, manifest, tuple((part.key, part.info) for part in parts))


def assemble_index(images: Sequence[tuple[Platform, Image]]) -> ImageIndex:
    """Make an index of `images`, sorted by platform. What all their manifests are annotated with alike stands on it,
    too: who looks at a tag sees it first."""
    children = sorted(
        (msgspec.structs.replace(image.descriptor, platform=platform) for platform, image in images),
        key=lambda child: str(child.platform),
    )
    annotated = [decode(image.manifest, Manifest, where="manifest").annotations or {} for _, image in images]
    common = dict(set(annotated[0].items()).intersection(*(one.items() for one in annotated[1:])))
    return ImageIndex(
        encode(Index(schema_version=2, media_type=OCI_INDEX, manifests=children, annotations=common or None))
    )


def inherited_config(config: Mapping[str, Any], base_layers: int) -> dict[str, Any]:
    """Give what an image takes of the config of a base of so many layers, and says itself then: all but a few keys."""
    document = {key: value for key, value in config.items() if key not in _DOCKER_ONLY}
    document["config"] = {key: value for key, value in (document.get("config") or {}).items() if key not in _REPLACED}
    history = list(document.get("history") or [])
    if history and sum(1 for step in history if not step.get("empty_layer")) != base_layers:
        history = []  # a base whose history does not match its layers: docker's readers would stumble over it
    document["history"] = history
    return document


def environment_of(base: BaseImage | None, path: str | None, environment: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give the variables of an image: the base's, with `path` before its PATH, then `environment`."""
    inherited = (base.config.get("config") or {}).get("Env") or [] if base else []
    found = dict(pair.partition("=")[::2] for pair in inherited)
    if path is not None:
        found["PATH"] = f"{path}:{found.get('PATH', DEFAULT_PATH)}"
    return found | dict(environment)


def _layer(part: NamedLayer, *, own: bool) -> Descriptor:
    found = part.info.descriptor
    annotations = {LAYER_KEY: part.key, LAYER_NAME: part.name} if own else None
    # The base's descriptors keep nothing but their identity: annotations of a parent are not ours to repeat, and
    # Docker's media types become OCI's, since a manifest may not mix the families.
    return Descriptor(
        media_type=oci_layer_type(found.media_type), digest=found.digest, size=found.size, annotations=annotations
    )


def _config(
    parts: Sequence[NamedLayer], run: Run, platform: Platform, base: BaseImage | None, base_layers: int, created: int
) -> dict[str, Any]:
    time = utc(created)
    document = inherited_config(base.config if base else {}, base_layers)
    inherited = document["config"]
    environment = environment_of(base, run.path, run.environment)
    if run.user is not None:
        inherited["User"] = run.user
    inherited.update(
        {
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Entrypoint": list(run.entrypoint),
            "Cmd": list(run.command),
            "WorkingDir": run.working_directory,
            "ExposedPorts": {port: {} for port in run.ports},
            "Labels": {**(inherited.get("Labels") or {}), **run.labels},
        }
    )
    history = document["history"]
    if base_layers and not history:
        history = [{"created": time, "created_by": "base"} for _ in range(base_layers)]
    history += [{"created": time, "created_by": AUTHOR, "comment": part.name} for part in parts[base_layers:]]
    document.update(
        {
            "created": time,
            "architecture": platform.architecture,
            "os": platform.os,
            "config": inherited,
            "rootfs": {"type": "layers", "diff_ids": [part.info.diff_id for part in parts]},
            "history": history,
        }
    )
    if platform.variant:
        document["variant"] = platform.variant
    return document
