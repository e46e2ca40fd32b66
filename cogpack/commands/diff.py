"""`cogpack diff A B` tells what is not the same in two images, or in an image and what the project would become."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from cogpack.comparing.files import Blob, ComparedFile, ComparedTrees, Part, Planned, Trees
from cogpack.comparing.layers import ComparedLayer, SideLayer, among, compare_layers, fetched, fetched_in_order
from cogpack.comparing.packages import ComparedPackage, Kind, compare_packages, frozen_packages
from cogpack.comparing.schemas import ComparedSchema, compare_schemas
from cogpack.comparing.settings import ComparedText, compare_texts, settings, texts, variables
from cogpack.digest import Digest, sha256
from cogpack.errors import InputError
from cogpack.images.assemble import NamedLayer
from cogpack.images.image import PLATFORM, FoundImage
from cogpack.images.root_file_system import too_many
from cogpack.layers.layer import Layer
from cogpack.layers.weights import WEIGHTS
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.oci import CONFIG_LIMIT, LAYER_KEY, OCI_LAYER, Descriptor, LayerInfo, decode
from cogpack.opening import open_image
from cogpack.planning.delivery.transfer import finish
from cogpack.planning.describing import find_described
from cogpack.planning.known import look_up
from cogpack.planning.plan import PROJECT
from cogpack.planning.prepare import prepare
from cogpack.project import for_platforms
from cogpack.runtime.contract import FREEZE_LABEL, SCHEMA_LABEL
from cogpack.session import Session

SMALL = 32 * 1024 * 1024
"""Bytes of layers that are read without being asked for."""
_APART = (SCHEMA_LABEL, FREEZE_LABEL)
"""Labels that are compared by what they say."""


class ComparedImage(msgspec.Struct, frozen=True, kw_only=True):
    """Is one of the two. `digest`: of its manifest; `size`: of its layers; None where only building tells."""

    reference: str
    digest: Digest | None
    platform: str
    size: int | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what of `before` is another in `after`.

    `same`: nothing is. `fetched`: bytes of blobs that one who has `before` fetches for `after`; `fetched_in_order`: one
    whose store goes by the order of layers, as Docker's classic one; None where only building tells.
    `packages_compared`: the kinds of packages that both tell; `files`: None where layers were not read, and of a
    project its own alone; `breaking`: calls of the model that worked with `before` may fail with `after`.
    """

    before: ComparedImage
    after: ComparedImage
    same: bool
    breaking: bool
    fetched: int | None
    fetched_in_order: int | None
    layers: tuple[ComparedLayer, ...]
    packages_compared: tuple[Kind, ...]
    packages: tuple[ComparedPackage, ...]
    files: tuple[ComparedFile, ...] | None
    unread: int
    """Bytes of layers that would have to be read for `files`; 0 where they were, and where nobody knows which layers
    have a project's files."""
    environment: tuple[ComparedText, ...]
    settings: tuple[ComparedText, ...]
    labels: tuple[ComparedText, ...]
    annotations: tuple[ComparedText, ...]
    model: tuple[ComparedSchema, ...]


class _Side(msgspec.Struct, frozen=True, kw_only=True):
    """Is one of the two, as far as it is known without reading layers. `found`: None of a project, of which `planned`
    are the layers."""

    shown: ComparedImage
    layers: tuple[SideLayer, ...]
    execution: Mapping[str, Any]
    annotations: Mapping[str, str]
    debian: Mapping[str, str] | None = None
    found: FoundImage | None = None
    planned: tuple[Layer, ...] = ()

    @property
    def labels(self) -> Mapping[str, str]:
        return texts(self.execution.get("Labels"))


def diff(
    session: Session, before: str, after: str, *, platform: str | None = None, files: bool | None = None
) -> Difference:
    """Compare two images, each `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]` of a layout, or `.`, the project as a push
    would pack it: of what nobody has made yet, only the recipe is known.

    `platform`: `OS/ARCH`, which image of an index. `files`: read the layers that differ and compare their files; None:
    where they are small. With a project, those are compared that are its own, weights among them.
    """
    old, new = (_side(session, target, platform) for target in (before, after))
    read, unread = _trees(session, old, new, files=files)
    packages, kinds = _packages(old, new, read)
    layers = compare_layers(old.layers, new.layers)
    environment = compare_texts(variables(old.execution), variables(new.execution))
    starts = compare_texts(settings(old.execution), settings(new.execution))
    labels = compare_texts(old.labels, new.labels, without=_APART)
    annotations = compare_texts(old.annotations, new.annotations, without=_APART)
    model = compare_schemas(old.labels.get(SCHEMA_LABEL), new.labels.get(SCHEMA_LABEL))
    digests = (old.shown.digest, new.shown.digest)
    found = packages or environment or starts or labels or annotations or model
    unchanged = not found and all(layer.status == "same" for layer in layers)
    return Difference(
        before=old.shown,
        after=new.shown,
        same=unchanged if None in digests else digests[0] == digests[1],
        breaking=any(change.breaking for change in model),
        fetched=fetched(old.layers, new.layers),
        fetched_in_order=fetched_in_order(old.layers, new.layers),
        layers=layers,
        packages_compared=kinds,
        packages=packages,
        files=read.files if read else None,
        unread=unread,
        environment=environment,
        settings=starts,
        labels=labels,
        annotations=annotations,
        model=model,
    )


def _side(session: Session, target: str, platform: str | None) -> _Side:
    if target == ".":
        return _project(session, platform)
    # A reference may be too long for a Path to ask.
    if os.path.isfile(f"{target}/cog.yaml") and not os.path.exists(f"{target}/index.json"):  # noqa: PTH110, PTH113
        raise InputError(
            f"{target}: is a project, which is named by a dot", next_step=f"write: cogpack diff -C {target} ..."
        )
    image = open_image(session, target, platform)
    config = image.images.blob_bytes(image.manifest.config, limit=CONFIG_LIMIT)
    raw = decode(config, dict, where=f"{image.name}: config")
    execution = raw.get("config")
    system, architecture = raw.get("os"), raw.get("architecture")
    return _Side(
        shown=ComparedImage(
            reference=image.name,
            digest=image.digest,
            platform=f"{system}/{architecture}" if isinstance(system, str) and system else "",
            size=sum(layer.size for layer in image.manifest.layers),
        ),
        layers=tuple(
            SideLayer(name=name, key=(found.annotations or {}).get(LAYER_KEY), digest=found.digest, size=found.size)
            for name, found in image.layers
        ),
        execution=execution if isinstance(execution, dict) else {},
        annotations=image.manifest.annotations or {},
        found=image,
    )


def _project(session: Session, platform: str | None) -> _Side:
    """Tell what a push of the session's project would make, without making it."""
    project = find_described(session)
    platforms = project.config.pack.platforms
    # Of an index, it is that of linux/amd64 that is compared where nobody says another.
    wanted = [one for one in platforms if one == (platform or str(PLATFORM))] or ([] if platform else [platforms[0]])
    if not wanted:
        raise InputError(
            f"the project is for {' and '.join(platforms)}, and {platform} is asked for",
            next_step=f"leave out --platform, or write cogpack.platform: {platform} into cog.yaml",
        )
    prepared = prepare(session, for_platforms(project, wanted), writes=False)
    plan, config = prepared.plan, prepared.project.config
    known = look_up(session, prepared, {})
    infos = [known.info(layer) for layer in plan.layers]
    # What the image says of itself does not depend on what its layers come out as.
    parts = [
        NamedLayer(layer.name, layer.key or "", info or _UNKNOWN)
        for layer, info in zip(plan.layers, infos, strict=True)
    ]
    image = finish(plan, parts)
    sizes = [known.size(layer) for layer in plan.layers]
    base = prepared.lock.platforms[config.pack.platform].base
    execution = decode(image.config, dict, where="config")["config"]
    return _Side(
        shown=ComparedImage(
            reference=".",
            digest=image.descriptor.digest if None not in infos else None,
            platform=config.pack.platform,
            size=None if None in sizes else sum(size for size in sizes if size is not None),
        ),
        layers=tuple(_planned(layer, info, size) for layer, info, size in zip(plan.layers, infos, sizes, strict=True)),
        execution=execution,
        annotations={**plan.annotations, **plan.marks.annotations},
        debian={deb.name: deb.version for deb in base.installed} if isinstance(base, DebianBase) else None,
        planned=plan.layers,
    )


_UNKNOWN = LayerInfo(Descriptor(media_type=OCI_LAYER, digest=sha256(b""), size=0), sha256(b""))  # type: ignore[arg-type]


def _planned(layer: Layer, info: LayerInfo | None, size: int | None) -> SideLayer:
    # A layer of the base has no key in any manifest.
    key = layer.key if layer.info is None else None
    return SideLayer(name=layer.name, key=key, digest=info.descriptor.digest if info else None, size=size)


def _trees(session: Session, old: _Side, new: _Side, *, files: bool | None) -> tuple[ComparedTrees | None, int]:
    """Read the layers that only one has, or all where one of these is nobody knows what. Also: bytes that are left."""
    sides = [_own(old, new), _own(new, old)]
    if old.planned or new.planned:
        if not (_tells_of_project(old) and _tells_of_project(new)):
            if files:
                raise InputError(
                    "files are compared with a project's in its own images, and no layer of this one is known as that",
                    next_step="build the project (cogpack build -o DIR), and compare with DIR",
                )
            return None, 0
        sides = _of_project(sides, {made.name for made in (*old.planned, *new.planned) if made.remote})
    elif any(layer.key is None for side in sides for layer in side):
        sides = [list(old.layers), list(new.layers)]
    before, after = (_parts(side, layers) for side, layers in zip((old, new), sides, strict=True))
    sizes = {part.key: part.size for part in (*before, *after)}
    total = sum(sizes.values())
    if files is False or (files is None and total > SMALL):
        return None, total
    refuse = too_many(f"{old.shown.reference} and {new.shown.reference}")
    trees = Trees(session.progress, session.cancellation, refuse, jobs=session.settings.jobs)
    return trees.compare(before, after), 0


def _own(side: _Side, other: _Side) -> list[SideLayer]:
    is_there = among(other.layers)
    return [layer for layer in side.layers if not is_there(layer)]


def _tells_of_project(side: _Side) -> bool:
    return any(layer.name == PROJECT and (layer.key or side.planned) for layer in side.layers)


def _of_project(sides: Sequence[Sequence[SideLayer]], remote: Collection[str]) -> list[list[SideLayer]]:
    """Choose those of the project's own files. Where other weights are fetched, what an image has of weights may be
    these, and none of them are compared."""
    weights = [[layer for layer in side if layer.name.startswith(WEIGHTS)] for side in sides]
    if any(layer.name in remote for side in weights for layer in side):
        weights = [[], []]
    return [
        [*of_weights, *(layer for layer in side if layer.name == PROJECT)]
        for side, of_weights in zip(sides, weights, strict=True)
    ]


def _parts(side: _Side, layers: Sequence[SideLayer]) -> list[Part]:
    if side.found is None:
        return [Planned(made) for layer, made in zip(side.layers, side.planned, strict=True) if layer in layers]
    digests = {layer.digest for layer in layers}
    return [Blob(side.found.images, layer) for layer in side.found.manifest.layers if layer.digest in digests]


def _packages(
    old: _Side, new: _Side, read: ComparedTrees | None
) -> tuple[tuple[ComparedPackage, ...], tuple[Kind, ...]]:
    """Compare what both tell: wheels by a label, Debian's packages by the lock or dpkg's own list."""
    kinds: list[Kind] = []
    found: tuple[ComparedPackage, ...] = ()
    debian = read.debian if read and old.found and new.found else (old.debian, new.debian)
    before, after = debian
    if before is not None and after is not None:
        kinds.append("debian")
        found += compare_packages("debian", before, after)
    elif not any(_may_hold_packages(layer) for layer in (*_own(old, new), *_own(new, old))):
        kinds.append("debian")
    frozen = [side.labels.get(FREEZE_LABEL) for side in (old, new)]
    if frozen[0] is not None and frozen[1] is not None:
        kinds.append("python")
        found += compare_packages("python", frozen_packages(frozen[0]), frozen_packages(frozen[1]))
    return found, tuple(kinds)


def _may_hold_packages(layer: SideLayer) -> bool:
    return layer.key is None or layer.name.startswith(("debian", "run"))
