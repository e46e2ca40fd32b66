"""`cogpack inspect` tells what an image is, from a registry or an OCI layout, without pulling its layers."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from cogpack.commands.results import WheelBuild
from cogpack.config.model import is_lock
from cogpack.digest import Digest
from cogpack.errors import CogpackError, InputError
from cogpack.images.attached import attached_file, attached_lock_of
from cogpack.images.image import FoundImage
from cogpack.layers.facts import Facts
from cogpack.lockfile import FILE, LOCK_TYPE, Decisions, Lock, parse_attached_lock, read_lock
from cogpack.notes import Code, Note
from cogpack.oci import LAYER_KEY, TITLE, Descriptor, Execution
from cogpack.opening import open_image
from cogpack.planning.layer_items import LayerItem, locked_items
from cogpack.planning.recipes.python import keys_of_built
from cogpack.planning.steps.changes import were_run_here
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.runtime.contract import SCHEMA_LABEL
from cogpack.runtime.labelled_schema import read_signature
from cogpack.session import Session
from cogpack.text import count_text

Origin = Literal["here", "other", "lock", "base", "unknown"]


class InspectedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a layer. `key`: of the recipe, where cogpack made it.

    `origin`: who says that these bytes are what the recipe makes: this machine, which made them (`here`), or made
    `other` ones; the `lock` of the session's directory, as of commands that were run elsewhere; `base`: they are none
    of ours; `unknown`: the image alone.
    `repositories`: where else this machine has seen the blob; `built`: wheels in it that were built of sources, where
    that lock says so of its recipe, and it or this machine that these are its bytes; `items`: what it holds, where that
    was asked for, and a lock has its recipe: that of the session's directory, or the one that is attached to the image.
    """

    name: str
    key: str | None
    media_type: str = msgspec.field(name="mediaType")
    digest: Digest
    size: int
    origin: Origin
    repositories: tuple[str, ...]
    built: tuple[WheelBuild, ...] = ()
    items: tuple[LayerItem, ...] = ()


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of an artifact that refers to an image. `size`: of its manifest."""

    artifact_type: str | None = msgspec.field(name="artifactType")
    digest: Digest
    size: int
    annotations: dict[str, str] = {}


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """What an image is.

    `index`: what the image was chosen from, None where there is none; `platforms`: what that one offers.

    `platform` is empty for artifacts that are no images.
    """

    reference: str
    digest: Digest
    index: Digest | None
    platform: str
    platforms: tuple[str, ...]
    size: int
    layers: tuple[InspectedLayer, ...]
    environment: tuple[str, ...]
    user: str = ""
    """Whom it runs as; empty where nobody is named, which is root."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    labels: dict[str, str]
    inputs: dict[str, dict[str, Any]]
    """The `properties` of the schema's Input, with what they refer to; empty where the image has no schema."""
    output: dict[str, Any]
    """The schema's Output, likewise."""
    referrers: tuple[Referrer, ...] | None = None
    """Signatures, SBOMs and the like of this very image; None where the registry does not say."""


def inspect(session: Session, target: str, *, platform: str | None = None, items: bool = False) -> Inspected:
    """Describe `target`: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]` of a layout. `platform`: `OS/ARCH`, which image of
    an index; `items`: say what each layer holds, for which the lock that is attached to the image may be read."""
    return _inspected(session, open_image(session, target, platform), items=items)


def inspect_others(session: Session, target: str, found: Inspected) -> list[Inspected]:
    """Describe the images for other platforms of the very index that `found` was chosen from at `target`, whatever that
    names by now."""
    return [
        _inspected(session, open_image(session, target, platform, digest=found.index), items=False)
        for platform in found.platforms
        if platform != found.platform
    ]


def _inspected(session: Session, image: FoundImage, *, items: bool) -> Inspected:
    config = image.config()
    platform = f"{config.os}/{config.architecture}" if config.os else ""
    inner = config.config or Execution()
    labels = inner.labels or {}
    signature = read_signature(labels.get(SCHEMA_LABEL))
    return Inspected(
        reference=image.name,
        digest=image.digest,
        index=image.graph.index.digest if image.graph.index else None,
        platforms=image.platforms,
        platform=platform,
        size=sum(layer.size for layer in image.manifest.layers),
        layers=_layers(session, image, config.diff_ids, platform, items=items),
        environment=tuple(inner.env or ()),
        user=inner.user or "",
        entrypoint=tuple(inner.entrypoint or ()),
        cmd=tuple(inner.cmd or ()),
        labels=labels,
        inputs=signature.inputs,
        output=signature.output,
        referrers=_referrers(image),
    )


def lock_of(session: Session, target: str, *, platform: str | None = None) -> bytes:
    """Return the text of the lock that is attached to an image, or to an index where no `platform` is chosen of it."""
    image = open_image(session, target, platform, all_platforms=platform is None)
    data = attached_file(image.images, image.digest, LOCK_TYPE)
    if data is None:
        raise InputError(
            f"{image.name}: no lock is attached to {image.digest}",
            next_step="push it again from its project with --attach",
        )
    if removed := parse_attached_lock(data, path=f"the lock of {image.name}").removed:
        text = f"{count_text(removed, 'address')} of it left out: it is no lock of a project"
        session.progress.summary(text)
    return data


def _referrers(image: FoundImage) -> tuple[Referrer, ...] | None:
    """List what refers to it; a registry that does not say holds nothing up."""
    try:
        found = image.images.referrers(image.digest)
    except CogpackError:
        return None
    return tuple(
        Referrer(
            artifact_type=entry.artifact_type,
            digest=entry.digest,
            size=entry.size,
            annotations=entry.annotations or {},
        )
        for entry in found
    )


def _layers(
    session: Session, image: FoundImage, diff_ids: Sequence[str], platform: str, *, items: bool
) -> tuple[InspectedLayer, ...]:
    """Tell of all, with what earlier runs left on this machine, which is only read."""
    place = session.kept.place
    facts = Facts(place / "facts", session.seal) if place and (place / "facts").is_dir() else None
    origins = BlobOrigins(place / "homes") if place else None
    keys = {(layer.annotations or {}).get(LAYER_KEY, "") for layer in image.manifest.layers}
    lock = _lock(session.settings.directory, keys)
    pinned = {result.key: result.digest for result in lock.results.layers} if lock else {}
    built = _built(lock.platforms[platform], keys) if lock and platform in lock.platforms else {}
    decided = [found for one in lock.platforms.values() for found in (one.dpkg, one.steps) if found] if lock else []
    steps = {layer.diff_id for found in decided for layer in found.layers}
    fetched = [found for found in decided if not place or not were_run_here(place / "steps", found)]
    taken = {layer.diff_id for found in fetched for layer in found.layers}
    ours = any(LAYER_KEY in (layer.annotations or {}) for layer in image.manifest.layers)
    held = _items(session, image, lock, platform) if items and ours else {}
    here = image.address.reference

    def told(key: str | None, digest: Digest, diff_id: str) -> Origin:
        if key is None:
            return "base" if ours else "unknown"
        made = facts.get(key) if facts else None
        if made is not None and diff_id not in taken:
            return "here" if made.descriptor.digest == digest else "other"
        return "lock" if pinned.get(key) == digest or diff_id in steps else "unknown"

    def seen(digest: Digest) -> tuple[str, ...]:
        if origins is None:
            return ()
        beside = [f"{here.registry}/{name}" for name in origins.origins(here, (), digest)] if here else []
        others = origins.in_other_registries(here.registry if here else "", digest)
        return (*beside, *(other.name for other in others))

    def layer(name: str, found: Descriptor, diff_id: str) -> InspectedLayer:
        annotations = found.annotations or {}
        origin = told(annotations.get(LAYER_KEY), found.digest, diff_id)
        return InspectedLayer(
            name=name or annotations.get(TITLE, ""),
            key=annotations.get(LAYER_KEY),
            media_type=found.media_type,
            digest=found.digest,
            size=found.size,
            origin=origin,
            repositories=seen(found.digest),
            built=built.get(annotations.get(LAYER_KEY, ""), ()) if origin in ("here", "lock") else (),
            items=held.get(annotations.get(LAYER_KEY, ""), ()),
        )

    known = [*diff_ids, *[""] * len(image.layers)]  # a config may list fewer than there are layers
    return tuple(layer(name, found, known[index]) for index, (name, found) in enumerate(image.layers))


def _items(
    session: Session, image: FoundImage, lock: Lock | None, platform: str
) -> Mapping[str, tuple[LayerItem, ...]]:
    """Give what layers hold, by their keys: as the lock of the project says that one stands in, and, unless that has
    all their names, the image's own."""

    def of_lock(found: Lock) -> Mapping[str, tuple[LayerItem, ...]]:
        rules = session.formats.get(found.format)
        return locked_items(found.platforms[platform], rules) if rules and platform in found.platforms else {}

    keys = {
        (layer.annotations or {}).get(LAYER_KEY, "")
        for name, layer in image.layers
        if name.startswith(("debian: ", "wheels: "))
    }
    held = dict(of_lock(lock)) if lock else {}
    if not keys <= held.keys():
        try:
            attached = attached_lock_of(image.images, image.digest)
            held |= of_lock(attached.lock) if attached else {}
        except (CogpackError, ValueError) as error:  # whoever may push may have attached anything
            session.progress.note(Note(Code.LOCK_UNREAD, f"{error}: what layers hold is told without it"))
    return held


def _built(decisions: Decisions, keys: Collection[str]) -> dict[str, tuple[WheelBuild, ...]]:
    """Give what was built, by the key of its layer: one alone, and those together of which none of `keys` is."""
    wheels = {f"{wheel.name} {wheel.version}": wheel for wheel in decisions.wheels}
    alone = {one: keys_of_built(decisions, [wheels[one.wheel]]) for one in WheelBuild.all_of(decisions)}
    few = tuple(one for one, its in alone.items() if its.isdisjoint(keys))
    found = {key: (one,) for one, its in alone.items() for key in its}
    return found | dict.fromkeys(keys_of_built(decisions, [wheels[one.wheel] for one in few]), few)


def _lock(directory: Path, keys: Collection[str]) -> Lock | None:
    """Read the lock of the project that one stands in, where it is there and can be read: of several configs, the one
    that has recorded most of `keys`."""
    found: list[Lock] = []
    for path in sorted(directory.glob("cogpack.*lock"), key=lambda path: (path.name != FILE, path.name)):
        with suppress(InputError):
            if is_lock(path.name) and (lock := read_lock(path)):
                found.append(lock)
    return max(found, key=lambda lock: len({it.key for it in lock.results.layers}.intersection(keys)), default=None)
