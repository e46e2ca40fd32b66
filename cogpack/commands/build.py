"""`cogpack build` and `cogpack load` put the same image into a directory, a file or the local Docker."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cogpack.commands.results import ImageLayer, PlatformImage
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.images.assemble import assemble_index
from cogpack.layers.layer import Form
from cogpack.layout import Layout
from cogpack.oci import Descriptor, LayerInfo
from cogpack.planning.delivery.targets import no_text, push_reference
from cogpack.planning.delivery.transfer import Resources, Transferred, each_once, transfer
from cogpack.planning.describing import find_described
from cogpack.planning.known import known_layers, record_results
from cogpack.planning.prepare import Prepared, prepare, prepare_each, settle, with_told_libraries
from cogpack.planning.shared_layers.hear import hear_offers
from cogpack.project import Project, for_platforms
from cogpack.reference import DEFAULT_TAG, Reference
from cogpack.session import Session
from cogpack.settings import need_path
from cogpack.sinks.archive import ArchiveSink, names_archive
from cogpack.sinks.daemon import DaemonSink, engine_platform
from cogpack.sinks.layout import LayoutSink
from cogpack.sinks.sink import Sink


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what was built.

    `digest`: of the manifest, or of the image config where the sink knows no manifests (`docker load`).

    `config`: that of the image config; `descriptor`: the manifest's. Of several platforms these are the index's, which
    has no config. `images`: each platform's; `tags`: names; `reference`: what the image is called there, for
    `docker run` or with the digest.
    """

    reference: str
    digest: Digest
    config: Digest | None
    descriptor: Descriptor | None
    images: tuple[PlatformImage, ...]
    tags: tuple[str, ...]
    layers: tuple[ImageLayer, ...]


def build(session: Session, output: Path, *, tags: Sequence[str] = (), rebuild: bool = False) -> Built:
    """Build into `output`: a `docker load` archive if the name ends in .tar, else an OCI image layout.

    Of a project for several platforms, a layout has the image of each, and an index of them.
    """
    need_path(output, "output")
    return _build(session, find_described(session, outputs=[output]), output, tags, rebuild=rebuild)


def build_beside(session: Session, *, tags: Sequence[str] = (), rebuild: bool = False) -> tuple[Path, Built]:
    """Build into a layout in the working directory that is called after the image, for who said no place; return it,
    too."""
    project = find_described(session)
    place = _layout_of(Reference.parse(_names(project, tags)[0]))
    session.progress.summary(f"no Docker answers: the image goes into ./{place}, an OCI layout")
    project = msgspec.structs.replace(project, outputs=(*project.outputs, place))
    return place, _build(session, project, place, tags, rebuild=rebuild)


def _build(session: Session, project: Project, output: Path, tags: Sequence[str], *, rebuild: bool) -> Built:
    names = _names(project, tags)
    archive = names_archive(output)
    if archive and len(project.config.pack.platforms) > 1:
        raise InputError(
            f"{output}: an archive for docker load holds one image, and the project is for "
            f"{' and '.join(project.config.pack.platforms)}",
            next_step=f"name one, --platform {project.config.pack.platforms[0]}, or build a layout, -o DIR",
        )
    if archive and session.settings.annotations:
        raise InputError(
            f"{output}: an archive has no manifest to write --annotation on", next_step="use --label, or -o DIR"
        )
    if not archive:
        Layout.check(output)
    each = prepare_each(session, project, writes=True)
    if archive:
        with ArchiveSink.write(output) as sink:
            return _into(session, each[0], sink, names, rebuild=rebuild)
    layout = LayoutSink(output, session.copies(None))
    with layout.filling(again=True):  # a file that changed while it was read
        return _all_into(session, each, layout, names, rebuild=rebuild)


def built_layout(text: str) -> tuple[Path, str] | None:
    """Say where `build -t TEXT` leaves an image without Docker, and how it is called there; None of what is no name, or
    has a digest, which is another image's."""
    try:
        found = Reference.parse(text)
    except InputError:
        return None
    if found.digest:
        return None
    return _layout_of(found), str(found.with_tag(found.tag or DEFAULT_TAG))


def _layout_of(name: Reference) -> Path:
    return Path(f"{name.repository.rpartition('/')[2]}-oci")


def load(session: Session, *, tags: Sequence[str] = (), program: str = "docker", rebuild: bool = False) -> Built:
    """Build into the local Docker, or another engine's `program`, streamed: nothing is written to disk on the way.

    Of a project for several platforms, the image for the engine's own.
    """
    return load_project(session, find_described(session), tags=tags, program=program, rebuild=rebuild)


def load_project(
    session: Session, project: Project, *, tags: Sequence[str] = (), program: str = "docker", rebuild: bool = False
) -> Built:
    """Build a project that is open already, as `load` does."""
    names = _names(project, tags)
    if len(project.config.pack.platforms) > 1:
        project = _of_engine(session, project, program)
    prepared = prepare(session, project, writes=True)
    with DaemonSink.open(session.progress, session.cancellation, program) as sink:
        return _into(session, prepared, sink, names, rebuild=rebuild)


def _names(project: Project, tags: Sequence[str]) -> list[str]:
    """Say what the image is called: `tags`, each `NAME[:TAG]`; else `image` of cog.yaml; else after the directory."""
    if not tags and not project.config.image:
        words = re.findall("[a-z0-9]+", project.root.name.lower())
        return [f"cog-{'-'.join(words) or 'model'}:latest"]
    references = [push_reference(tag, project) for tag in no_text(tags) or (None,)]
    return list(dict.fromkeys(str(found.with_tag(found.tag or DEFAULT_TAG)) for found in references))


def _of_engine(session: Session, project: Project, program: str) -> Project:
    """Give the project for the platform of the engine."""
    platforms, own = project.config.pack.platforms, engine_platform(session.progress, program)
    found = [platform for platform in platforms if platform == own]
    if not found:
        raise InputError(
            f"{program} is of {own}, and the project is for {' and '.join(platforms)}",
            next_step=f"name the one that it can run, --platform {platforms[0]}",
        )
    return for_platforms(project, found)


def _into(session: Session, prepared: Prepared, sink: Sink, tags: list[str], *, rebuild: bool) -> Built:
    """Build one image into a sink that knows no manifests."""
    session.notes.check()
    prepared = settle(session, prepared, again=rebuild)
    done = _moved(session, prepared, sink, {}, tags, rebuild=rebuild)
    prepared.fingerprints.save()
    return Built(
        # An image ID is no manifest digest: with "@", `docker run` would look for what no registry has.
        reference=tags[0],
        digest=done.descriptor.digest,
        config=done.image.config_descriptor.digest,
        descriptor=None,
        images=(PlatformImage.of(prepared.plan.platform, done.image),),
        tags=tuple(tags),
        layers=tuple(map(ImageLayer.of, done.layers)),
    )


def _all_into(session: Session, each: Sequence[Prepared], sink: LayoutSink, tags: list[str], *, rebuild: bool) -> Built:
    """Build the image of each platform, then of several their index, and name that last."""
    session.notes.check()
    each = [settle(session, one, again=rebuild) for one in each]
    done: list[Transferred] = []
    for one in each:
        names = tags if len(each) == 1 else ()
        done.append(_moved(session, one, sink, done[-1].known.read if done else {}, names, rebuild=rebuild))
    each[0].fingerprints.save()
    images = [(one.plan.platform, made.image) for one, made in zip(each, done, strict=True)]
    root = done[0].descriptor
    if len(images) > 1:
        root = sink.put_index(assemble_index(images))
        sink.commit(root, tags)
    record_results(session, [(one, made.known) for one, made in zip(each, done, strict=True)])
    return Built(
        reference=f"{tags[0]}@{root.digest}",
        digest=root.digest,
        config=images[0][1].config_descriptor.digest if len(images) == 1 else None,
        descriptor=root,
        images=tuple(PlatformImage.of(platform, image) for platform, image in images),
        tags=tuple(tags),
        layers=tuple(map(ImageLayer.of, each_once(made.layers for made in done))),
    )


def _moved(
    session: Session,
    prepared: Prepared,
    sink: Sink,
    read: Mapping[str, LayerInfo],
    tags: Sequence[str],
    *,
    rebuild: bool,
) -> Transferred:
    """Move the layers of one image; `read`: what this run has read already, for another platform."""
    known = known_layers(prepared.plan, prepared.lock.results, session.facts, lock=prepared.project.lock_path.name)
    if sink.form is Form.STORED and not rebuild:
        known = hear_offers(session, prepared.project, prepared.plan, prepared.decisions, known)
        prepared = with_told_libraries(session, prepared, known)
    known = (known.unheeded() if rebuild else known).with_read(read)
    session.notes.check()
    return transfer(prepared.plan, known, sink, Resources.of(session), tags=tags, outcome="built")
