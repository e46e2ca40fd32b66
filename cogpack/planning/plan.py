"""From what was decided and what lies in the project to ordered layers: pure policy.

The order follows how many images share a layer, then how seldom it changes: classic Docker downloads everything above
the first changed layer again. Base, venv, large wheels, weights, other wheels, project.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.images.assemble import LAYER_LIMIT, BaseImage, Marks, Run
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Codec, Gzip, SplicedGzip, Uncompressed, Zstd
from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.entry import Directory
from cogpack.layers.files import FilesSource, Placed, generated
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.layers.layer import Layer, LayerSource, key_of
from cogpack.layers.weights import WEIGHTS, WORTH, JoinSource, Probe, Weight, arrange
from cogpack.layers.wheels import ClashesSource, VenvSource, WheelFile, WheelsSource, group, is_hidden
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.oci import Platform
from cogpack.planning.bases import BaseSupply, plan_base
from cogpack.project import ProjectFile
from cogpack.runtime import contract

PROJECT = "project"
"""The name of the layer with the project's own files."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the image but the layers' digests. `layers` bottom first, the base's own first of all.

    `wheels`: each with the key of the layer it is in; `fetched`: bytes of the wheels or packages that a layer is made
    of, by its key; `weights`: what each weight file became, by its path.
    """

    layers: tuple[Layer, ...]
    base_layers: int
    wheels: tuple[tuple[str, WheelFile], ...]
    fetched: Mapping[str, int] = {}
    weights: Mapping[str, tuple[Placed, ...]] = {}
    base: BaseImage | None
    run: Run
    platform: Platform
    annotations: Mapping[str, str]
    created: int | None
    marks: Marks = Marks()

    @property
    def own(self) -> tuple[Layer, ...]:
        """The layers that are made here."""
        return self.layers[self.base_layers :]


def weights_plan(plan: Plan) -> Plan:
    """The weights alone, as an image of their own: for a Kubernetes image volume, or as a base."""
    if plan.run.entrypoint:
        raise InputError(
            "weights that are joined at start make no image of weights: nothing would join them",
            next_step="set cogpack.weights.split to none or tensor",
        )
    layers = tuple(layer for layer in plan.own if layer.name.startswith(WEIGHTS))
    if not layers:
        raise InputError("the project has no weights", next_step="see what counts with cogpack weights ls")
    run = Run(environment=(), path=None, command=(), working_directory="/", ports=(), labels={})
    return Plan(
        layers=layers,
        base_layers=0,
        base=None,
        wheels=(),
        weights=plan.weights,
        run=run,
        platform=plan.platform,
        annotations={},
        created=plan.created,
        marks=plan.marks,
    )


class Suppliers(msgspec.Struct, frozen=True, kw_only=True):
    """How contents are had, asked only when a layer is really built."""

    base: BaseSupply
    wheel: Callable[[LockedWheel], LocalFile]
    file: Callable[[ProjectFile], Fingerprinted]
    part: Callable[[LocalFile | Slices], Fingerprinted]
    probe: Probe
    read: Callable[[Placed], object]


def make_plan(
    config: Config,
    decisions: Decisions,
    files: Sequence[ProjectFile],
    weights: Sequence[Weight],
    *,
    layer_size: int,
    schema: bytes,
    concurrency: int | None,
    platform: Platform,
    suppliers: Suppliers,
) -> Plan:
    """`files`: all that goes into the source directory but `weights`, which are cut to about `layer_size` bytes."""
    compressed: Codec = Zstd() if config.pack.compression == "zstd" else Gzip()
    spliced: Codec = Zstd() if config.pack.compression == "zstd" else SplicedGzip()
    inherited = {
        directory.path: Directory(directory.path, directory.mode, directory.uid, directory.gid)
        for directory in decisions.base.inherited_directories
    }

    def built(source: LayerSource, codec: Codec) -> BuiltLayer:
        return BuiltLayer(source, codec, inherited=inherited)

    base = plan_base(decisions.base, suppliers.base, compressed)
    venv = VenvSource(python=decisions.base.python, interpreter=decisions.base.interpreter)
    layers: list[Layer] = [*base.layers, built(venv, compressed)]
    # The last group is of the small wheels, pip and cog among them: it changes more often than weights do.
    *large, small = [(built(WheelsSource(files), spliced), files) for files in _wheels(decisions.wheels, suppliers)]
    layers += [layer for layer, _ in large]
    sizes = {wheel.filename: wheel.size or 0 for wheel in decisions.wheels}
    probe = suppliers.probe if config.pack.weights.compression == "zstd" else None
    project = BuiltLayer(_project(files, schema, suppliers), compressed, inherited=inherited, remembered=False)
    clashes = _clashes(decisions, suppliers)
    above = [small[0], *([built(clashes, spliced)] if clashes else []), project]
    arrangement = arrange(
        weights,
        layer_size,
        suppliers.part,
        contract.join_program(),
        probe,
        read=suppliers.read,
        max_layers=LAYER_LIMIT - len(layers) - len(above),
    )
    for layer in arrangement.layers:
        ratio = layer.ratio if probe else None
        codec = compressed if isinstance(layer.source, JoinSource) else _weight_codec(ratio)
        layers.append(BuiltLayer(layer.source, codec, inherited=inherited, remote=layer.remote, ratio=ratio))
    layers += above
    if len(layers) > LAYER_LIMIT:
        raise InputError(
            f"the image would have {len(layers)} layers; {LAYER_LIMIT} is the most that runs everywhere",
            next_step="choose a base with fewer layers",
        )
    sdk_version = next((wheel.version for wheel in decisions.wheels if wheel.name == "cog"), "")
    if len(schema) > contract.LABEL_LIMIT:
        raise InputError(
            f"the OpenAPI schema has {len(schema)} bytes; {contract.LABEL_LIMIT} fit in an image",
            next_step="shorten the choices and descriptions of the predictor's inputs",
        )
    annotations = {contract.SCHEMA_LABEL: schema.decode()} if len(schema) <= contract.ANNOTATION_LIMIT else {}
    return Plan(
        layers=tuple(layers),
        base_layers=base.taken,
        base=base.image,
        run=Run(
            environment=contract.environment(config, concurrency=concurrency),
            path=f"/{contract.VENV}/bin",
            entrypoint=contract.JOIN if any(weight.rule == "opaque" for weight in weights) else (),
            command=contract.COMMAND,
            working_directory=contract.WORKING_DIRECTORY,
            ports=(contract.PORT,),
            labels=contract.labels(
                config,
                concurrency=concurrency,
                schema=schema,
                sdk_version=sdk_version,
                pip_freeze=_freeze(decisions.wheels),
            ),
        ),
        wheels=tuple((key_of(layer), wheel) for layer, files in [*large, small] for wheel in files),
        fetched={
            **base.fetched,
            **{key_of(layer): sum(sizes[file.filename] for file in files) for layer, files in [*large, small]},
        },
        weights=arrangement.parts,
        platform=platform,
        annotations=annotations,
        created=decisions.created,
    )


def _weight_codec(ratio: int | None) -> Codec:
    return Zstd() if ratio is not None and ratio <= WORTH else Uncompressed()


def _freeze(wheels: Sequence[LockedWheel]) -> str:
    return "\n".join(sorted(f"{wheel.name}=={wheel.version}" for wheel in wheels))


def _wheels(wheels: Sequence[LockedWheel], suppliers: Suppliers) -> list[list[WheelFile]]:
    by_name = {wheel.filename: _wheel(wheel, suppliers) for wheel in wheels}
    return [[by_name[name] for name in names] for names in _groups(wheels)]


def _groups(wheels: Sequence[LockedWheel]) -> list[list[str]]:
    return group([(wheel.filename, wheel.size or 0) for wheel in wheels])


def _wheel(wheel: LockedWheel, suppliers: Suppliers) -> WheelFile:
    return WheelFile(wheel.filename, wheel.sha256, lambda: suppliers.wheel(wheel))


def _clashes(decisions: Decisions, suppliers: Suppliers) -> ClashesSource | None:
    """What lies above all wheels, where their order would show another wheel's files than pip's order does."""
    groups = _groups(decisions.wheels)
    by_name = {wheel.filename: _wheel(wheel, suppliers) for wheel in decisions.wheels}
    found = [
        (by_name[clash.wheel], [by_name[name] for name in clash.over], clash.paths)
        for clash in decisions.clashes
        if is_hidden(clash, groups)
    ]
    return ClashesSource(found) if found else None


def _placed(file: ProjectFile, suppliers: Suppliers) -> Placed:
    return Placed(f"{contract.SOURCE}/{file.path}", suppliers.file(file), file.executable)


def _project(files: Sequence[ProjectFile], schema: bytes, suppliers: Suppliers) -> FilesSource:
    return FilesSource(
        PROJECT,
        [
            *(_placed(file, suppliers) for file in files if file.kind == "file"),
            generated(contract.SCHEMA_PATH, schema),
        ],
        directories=[contract.SOURCE, *(f"{contract.SOURCE}/{f.path}" for f in files if f.kind == "directory")],
        symlinks=[(f"{contract.SOURCE}/{f.path}", f.target or "") for f in files if f.kind == "symlink"],
    )
