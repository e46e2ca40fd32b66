"""A bundle is what a container is made of: a root file system, and how it starts (runtime-spec bundle.md)."""

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias, cast

import msgspec

from cogpack.artifacts.supply import Input
from cogpack.config import Arch, Isolation
from cogpack.digest import DiffID, parse_digest
from cogpack.errors import InputError
from cogpack.images.assemble import DEFAULT_PATH, environment_of
from cogpack.images.image import FoundImage
from cogpack.images.interface import Images
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.files import FilesSource
from cogpack.layers.layer import Form
from cogpack.layers.layer import Layer as PlannedLayer
from cogpack.oci import Descriptor, Execution
from cogpack.opening import open_image
from cogpack.planning.describing import find_described
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import Prepared, prepare, settle
from cogpack.planning.steps.layer import StepsLayer
from cogpack.project import Project, for_platforms
from cogpack.running.options import ContainerOptions
from cogpack.runtime import contract
from cogpack.runtime.labelled_schema import wants_gpu, with_streaming
from cogpack.sandbox.rungs.choice import Findings, Rung, choose_for, probe
from cogpack.sandbox.rungs.emulation import MACHINES
from cogpack.sandbox.trees.ahead import Archive
from cogpack.sandbox.trees.lay import Layer, Recipe, contents
from cogpack.session import Session
from cogpack.sinks.sink import drain

_QUIET_PYTHON = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Of a project's container: Python's caches would lie in the project."""

_NO_SCHEMA = b"{}"
"""Of a project without a model: nothing is made of its sources."""

Named: TypeAlias = tuple[tuple[str, Layer], ...]
"""Layers, the lowest first, each with what names its contents."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Is a project's directory, which lies at /src as it is. `targets`: where its managed weights lie, and `weights`:
    what is there."""

    project: Project
    targets: tuple[str, ...]
    weights: Named


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """`inputs`: what layers that are made here are made of; `user`: as an image's config has it; `schema`: what its
    label says of inputs and output; `shown`: what lies in the place of the image's own schema, if anything does. `gpu`:
    whether it wants one; `repository`: what stays the same where the image changes; `platform`: what it is for.
    `project`: whose image it would be, None of one that is there already; `source`: None where nothing of a project's
    directory is seen."""

    name: str
    platform: Arch
    layers: Named
    inputs: tuple[Input, ...] = ()
    environment: Mapping[str, str]
    directory: str
    command: tuple[str, ...]
    user: str
    schema: str | None
    shown: str | None = None
    gpu: bool
    repository: str
    project: Project | None = None
    source: Source | None = None


def open_bundle(session: Session, image: str | None, options: ContainerOptions, *, modelless: bool = False) -> Bundle:
    """Make the bundle of `image`, or of the project of the settings, for a container of these `options`.

    `modelless`: a project that names no predictor will do, as for `cog exec`,
    with which a project begins; the bundle of one has no schema.
    """
    if image is not None:
        isolation: Isolation = session.settings.isolation or "auto"
        wanted = _runnable(session, session.settings.platforms or (here(),), isolation, options)
        return _image_bundle(open_image(session, image, wanted), wanted)
    project = find_described(session)
    config = project.config
    if modelless and (config.predict, config.train, project.schema) == (None, None, None):
        project = msgspec.structs.replace(project, schema=_NO_SCHEMA)
    pack = config.pack
    wanted = _runnable(session, pack.platforms, session.settings.isolation or pack.isolation, options)
    project = for_platforms(project, [wanted])  # before it is locked
    prepared = settle(session, prepare(session, project, writes=True))
    bundle = _isolated_bundle(prepared) if options.isolated else _project_bundle(prepared)
    prepared.fingerprints.save()
    return bundle


def streaming(bundle: Bundle) -> Bundle:
    """Have the server of `bundle` hand on what an iterator yields as that comes."""
    return msgspec.structs.replace(bundle, shown=with_streaming(bundle.schema)) if bundle.schema else bundle


def _runnable(session: Session, offered: Sequence[Arch], isolation: Isolation, options: ContainerOptions) -> Arch:
    """Choose among the platforms that an image is for: this machine's, or the one that the user asks for, if it can be
    emulated here as `options` want it."""
    machine = here()
    if machine in offered:
        return machine
    if len(session.settings.platforms) != 1:
        emulated = "; or --platform linux/arm64, to have it emulated" if "linux/arm64" in offered else ""
        raise InputError(
            f"the image is for {' and '.join(offered)}, and this machine is {machine}",
            next_step=f"add --platform {machine}{emulated}",
        )
    (wanted,) = session.settings.platforms
    if options.runtime is not None:
        raise InputError(
            f"--runtime {options.runtime}: the image is for {wanted}, and this machine is {machine}",
            next_step=f"leave out --runtime, and it is emulated; or add --platform {machine}",
        )
    if options.gpus not in (None, "0"):
        raise InputError(
            f"--gpus {options.gpus}: this machine is {machine}, and its GPUs can't be shown to programs of {wanted}",
            next_step=f"leave out --gpus, or add --platform {machine}",
        )
    choose_rung(session, wanted, isolation)
    return wanted


def choose_rung(session: Session, wanted: Arch, isolation: Isolation) -> tuple[Rung, bool, Findings]:
    """Choose how programs of that platform are run here; tell whether they are emulated, and what was found."""
    findings = probe(session.cache / "trees")
    architecture = wanted.removeprefix("linux/")
    elsewhere = f"a machine of {architecture}"
    return *choose_for(architecture, isolation, findings, owners=False, elsewhere=elsewhere), findings


def here() -> Arch:
    """Say which platform this machine is, as `OS/ARCH`."""
    machine = platform.machine()
    return cast("Arch", f"linux/{MACHINES.get(machine, machine)}")


def _project_bundle(prepared: Prepared) -> Bundle:
    """Make the bundle of a project; commands of `build.run` are run for it if no run has kept what they change."""
    plan = prepared.plan
    managed = tuple(_managed(prepared))
    weights = FilesSource("managed weights", [file for path in managed for file in plan.weights[path]])
    bundle = _planned(prepared, [*plan.seen, *plan.bytecode.layers, *(plan.steps.layers if plan.steps else ())])
    return msgspec.structs.replace(
        bundle,
        environment=dict(bundle.environment) | _QUIET_PYTHON,
        shown=None if bundle.schema == _NO_SCHEMA.decode() else bundle.schema,
        source=Source(
            project=prepared.project,
            targets=tuple(weight.target for weight in prepared.project.config.weights),
            weights=((str(weights.key()), Recipe(weights)),) if managed else (),
        ),
    )


def _isolated_bundle(prepared: Prepared) -> Bundle:
    """Make the bundle of the image that a project would be. What nobody has read of it yet is read."""
    plan = prepared.plan
    for layer in plan.own:
        if layer.key is None:
            layer.copy_to(lambda body: drain(body, lambda _: None), Form.PLAIN)
    bundle = _planned(prepared, plan.layers)
    command = (*plan.run.entrypoint, *bundle.command)
    return msgspec.structs.replace(bundle, command=command, user=plan.run.user or "")


def _planned(prepared: Prepared, layers: Sequence[PlannedLayer]) -> Bundle:
    """Make the bundle of some layers of a plan."""
    plan = prepared.plan
    return Bundle(
        name=prepared.project.root.name,
        platform=prepared.project.config.pack.platform,
        layers=tuple(_named(plan, layer) for layer in layers),
        inputs=tuple(one for layer in layers if layer not in plan.ran for one in plan.inputs_of(layer)),
        environment=environment_of(plan.base, plan.run.path, plan.run.environment),
        directory=plan.run.working_directory,
        command=plan.run.command,
        user="",
        schema=prepared.schema.decode(),
        gpu=prepared.project.config.gpu,
        repository=str(prepared.project.root),
        project=prepared.project,
    )


def _named(plan: Plan, layer: PlannedLayer) -> tuple[str, Layer]:
    read = _readable(layer)
    found = contents(read)
    if isinstance(found, Recipe):
        found = msgspec.structs.replace(found, size=sum(one.size for one in plan.inputs_of(layer)))
    return str(read.contents), found


def _readable(layer: PlannedLayer) -> BuiltLayer | BaseLayer:
    match layer:
        case StepsLayer():
            return layer.blob()
        case BuiltLayer() | BaseLayer():
            return layer
    raise AssertionError(f"{layer.name}: nothing is known of it")


def _managed(prepared: Prepared) -> Iterator[str]:
    for item in prepared.gathered.weights:
        if item.file is None:
            if item.weight.rule == "opaque":
                raise InputError(
                    f"{contract.project_path(item.weight.path)}: a managed weight that is joined at the container's "
                    "start can't be shown here",
                    next_step="set cogpack.weights.split to none or tensor",
                )
            yield item.weight.path


def _image_bundle(image: FoundImage, platform: Arch) -> Bundle:
    """Make the bundle of an image that is there already."""
    config = image.config()
    execution = config.config or Execution()
    diff_ids = [DiffID(parse_digest(one, where=f"{image.name}: diff ID")) for one in config.diff_ids]
    layers = image.manifest.layers
    if len(diff_ids) != len(layers):
        raise InputError(
            f"{image.name}: its config has {len(diff_ids)} diff IDs for {len(layers)} layers",
            next_step="choose another image",
        )
    environment = dict(pair.partition("=")[::2] for pair in execution.env or ())
    labels = execution.labels or {}
    return Bundle(
        name=image.name,
        platform=platform,
        layers=tuple(
            (diff_id, Archive(name or f"layer {layer.digest[7:19]}", partial(_blocks, image.images, layer), diff_id))
            for diff_id, (name, layer) in zip(diff_ids, image.layers, strict=True)
        ),
        environment={"PATH": DEFAULT_PATH} | environment,
        directory=execution.working_dir or "/",
        command=(*(execution.entrypoint or ()), *(execution.cmd or ())),
        user=execution.user or "",
        schema=labels.get(contract.SCHEMA_LABEL),
        gpu=wants_gpu(labels.get(contract.CONFIG_LABEL)),
        repository=re.sub(r"(?::[^/:]*)?(?:@.*)?$", "", image.name),
    )


def _blocks(images: Images, layer: Descriptor) -> Iterator[bytes]:
    with images.blob(layer) as blocks:
        yield from blocks
