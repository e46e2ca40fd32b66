"""`cogpack build` and `cogpack load` put the same image into a directory, a file or the local Docker."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cogpack.commands.results import ImageLayer
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.layers.layer import Form
from cogpack.layout import Layout
from cogpack.oci import Descriptor
from cogpack.planning.delivery.targets import no_text, push_reference
from cogpack.planning.delivery.transfer import Resources, transfer
from cogpack.planning.known import known_layers, record_results
from cogpack.planning.prepare import Prepared, open_project, prepare, settle
from cogpack.project import Project
from cogpack.reference import DEFAULT_TAG, Reference
from cogpack.session import Session
from cogpack.sinks.archive import ArchiveSink, names_archive
from cogpack.sinks.daemon import DaemonSink
from cogpack.sinks.layout import LayoutSink
from cogpack.sinks.sink import Sink


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what was built.

    `digest`: of the manifest, or of the image config where the sink knows no manifests (`docker load`).

    `config`: that of the image config; `descriptor`: the manifest's. `tags`: names; `reference`: what the image is
    called there, for `docker run` or with the digest.
    """

    reference: str
    digest: Digest
    config: Digest
    descriptor: Descriptor | None
    tags: tuple[str, ...]
    layers: tuple[ImageLayer, ...]


def build(session: Session, output: Path, *, tags: Sequence[str] = (), rebuild: bool = False) -> Built:
    """Build into `output`: a `docker load` archive if the name ends in .tar, else an OCI image layout."""
    project = open_project(session, outputs=[output])
    names = _names(project, tags)
    archive = names_archive(output)
    if archive and session.settings.annotations:
        raise InputError(
            f"{output}: an archive has no manifest to write --annotation on", next_step="use --label, or -o DIR"
        )
    if not archive:
        Layout.check(output)
    prepared = prepare(session, project, writes=True)
    if archive:
        with ArchiveSink.write(output) as sink:
            return _into(session, prepared, sink, names, rebuild=rebuild)
    layout = LayoutSink(output)
    with layout.filling(again=True):  # a file that changed while it was read
        return _into(session, prepared, layout, names, rebuild=rebuild)


def default_layout(session: Session, tags: Sequence[str]) -> Path:
    """Say where an image is built that nobody said a place for: in the working directory, after its name."""
    name = Reference.parse(_names(open_project(session), tags)[0]).repository.rpartition("/")[2]
    return Path(f"{name}-oci")


def load(session: Session, *, tags: Sequence[str] = (), program: str = "docker", rebuild: bool = False) -> Built:
    """Build into the local Docker, or another engine's `program`, streamed: nothing is written to disk on the way."""
    project = open_project(session)
    names = _names(project, tags)
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


def _into(session: Session, prepared: Prepared, sink: Sink, tags: list[str], *, rebuild: bool) -> Built:
    session.notes.check()
    prepared = settle(session, prepared, again=rebuild)
    known = known_layers(prepared.plan, prepared.lock.results, session.facts)
    known = known.unheeded() if rebuild else known
    session.notes.check()
    done = transfer(prepared.plan, known, sink, Resources.of(session), tags=tags, outcome="built")
    prepared.fingerprints.save()
    if sink.form is Form.STORED:
        record_results(session, prepared, done.known)
    digest = done.descriptor.digest
    # An image ID is no manifest digest: with "@", `docker run` would look for what no registry has.
    reference = f"{tags[0]}@{digest}" if sink.form is Form.STORED else tags[0]
    return Built(
        reference=reference,
        digest=digest,
        config=done.image.config_descriptor.digest,
        descriptor=done.descriptor if sink.form is Form.STORED else None,
        tags=tuple(tags),
        layers=tuple(map(ImageLayer.of, done.layers)),
    )
