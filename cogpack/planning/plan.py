"""From what was decided and what lies in the project to ordered layers: pure policy.

The order follows how many images share a layer, then how seldom it changes: classic Docker downloads everything above
the first changed layer again. Base, interpreter, venv, large wheels and their bytecode, weights, other wheels, the
library cache, their bytecode, what known lines of `build.run` make, steps, project; large files that lines fetch or
steps leave lie with the weights. Commands see no bytecode, which lies below what they change: it has a hash of its
source, so that of a file that they replace is not used.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, takewhile
from typing import TYPE_CHECKING

import msgspec

from cogpack import __version__
from cogpack.artifacts import Input
from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.formats import ImageRules
from cogpack.images.assemble import LAYER_LIMIT, BaseImage, Marks, Run
from cogpack.layers.built import layer_key
from cogpack.layers.compression import Codec
from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.files import RECIPES, Placed, generated
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.layers.layer import Layer
from cogpack.layers.listed import ListedFiles
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.arrangement import Probe, arrange
from cogpack.lockfile import Decisions, LockedInterpreter, LockedWheel, StepsLayerKind
from cogpack.locking.lines.ground import free_local_names
from cogpack.locking.lines.read import Lines, locked_lines
from cogpack.locking.recommended import LEAVES_OUT, left_to_recommends
from cogpack.locking.weights.remote import probing
from cogpack.oci import Platform
from cogpack.planning.recipes.base import BaseSupply, plan_base
from cogpack.planning.recipes.bytecode import BytecodeLayers, PacksFor, plan_bytecode
from cogpack.planning.recipes.hub import OpenHubFile
from cogpack.planning.recipes.libraries import Libraries, LibrarySupply, names_libraries
from cogpack.planning.recipes.lines import Cloned, Fetched, line_layers
from cogpack.planning.recipes.maker import LayerMaker
from cogpack.planning.recipes.python import plan_environment, plan_interpreter
from cogpack.planning.recipes.run import plan_run
from cogpack.planning.recipes.weights import Gathered, check_places
from cogpack.planning.steps.layer import OpenLayer, StepsLayer
from cogpack.planning.steps.steps import Seen, Steps, dpkg_steps, make_steps
from cogpack.project import Files
from cogpack.run_lines import may_bring_libraries
from cogpack.runtime import contract
from cogpack.runtime.contract import project_path
from cogpack.runtime.schema import Described

if TYPE_CHECKING:
    from cogpack.planning.steps.changes import Coding, StepChanges


PROJECT = "project"
"""The name of the layer with the project's own files."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Holds everything of the image but the layers' digests. `layers` bottom first, the base's own first of all.

    `inputs`: the wheels or packages that a layer is made of, by its key; `weights`: what each weight file
    became, by its path; `lines`: what is known of `build.run`; `seen`: what commands see, base, environment and known
    files; `dpkg`: what packages change that dpkg installs, `steps`: what commands do that are run, if there are any;
    `ran`: the layers of both, or what stands for them where nobody knows yet. What these are run over is among `inputs`
    by their own keys. `bytecode`: the layers of it; `libraries`: what is there for the dynamic linker; `learnt`: layers
    made of what passes of others tell; `built`: wheels that nobody publishes.
    """

    layers: tuple[Layer, ...]
    base_layers: int
    inputs: Mapping[str, tuple[Input, ...]] = {}
    weights: Mapping[str, tuple[Placed, ...]] = {}
    lines: Lines = Lines()
    seen: tuple[Seen, ...] = ()
    dpkg: "StepChanges | None" = None
    steps: "StepChanges | None" = None
    ran: tuple[StepsLayer | OpenLayer, ...] = ()
    bytecode: BytecodeLayers = BytecodeLayers()
    libraries: Libraries | None = None
    learnt: tuple[Layer, ...] = ()
    built: tuple[LockedWheel, ...] = ()
    base: BaseImage | None
    run: Run
    platform: Platform
    annotations: Mapping[str, str]
    created: int | None
    marks: Marks = Marks()

    @property
    def changes(self) -> "tuple[StepChanges, ...]":
        """What is run, in order: the later sees what the earlier changes."""
        return tuple(one for one in (self.dpkg, self.steps) if one is not None)

    @property
    def own(self) -> tuple[Layer, ...]:
        """The layers that are made here, and not passed on."""
        return self.layers[self.base_layers :]

    @property
    def whole(self) -> bool:
        """Tell whether it is of all the project, and not of its weights alone."""
        return any(not layer.remembered for layer in self.own)

    def inputs_of(self, layer: Layer) -> tuple[Input, ...]:
        return self.inputs.get(layer.key, ()) if layer.key is not None else ()

    def fetched(self, layer: Layer) -> int | None:
        """Sum up the bytes of the wheels or packages that it has and no layer below; None where there are none."""
        inputs = self.inputs_of(layer) if layer not in self.ran else ()
        lower = chain.from_iterable(map(self.inputs_of, takewhile(lambda one: one is not layer, self.layers)))
        known = {one.artifact.digest for one in lower} if inputs else ()
        return sum(one.size for one in inputs if one.artifact.digest not in known) if inputs else None

    @property
    def taken(self) -> Mapping[str, str]:
        """Tell the places that no step may touch, and the weights that lie there."""
        return {
            path: project_path(weight)
            for weight, parts in self.weights.items()
            for path in (weight, *(placed.path for placed in parts))
        }


def weights_plan(plan: Plan) -> Plan:
    """Plan the weights alone, as an image of their own: for a Kubernetes image volume, or as a base."""
    if plan.run.entrypoint[-len(contract.JOIN) :] == contract.JOIN:
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
        weights=plan.weights,
        run=run,
        platform=plan.platform,
        annotations={},
        created=plan.created,
        marks=plan.marks,
    )


class Suppliers(msgspec.Struct, frozen=True, kw_only=True):
    """Says how contents are had, which is asked only when a layer is really built."""

    base: BaseSupply
    interpreter: Callable[[LockedInterpreter], Input]
    wheel: Callable[[LockedWheel], Input]
    libraries: LibrarySupply
    bytecode: PacksFor
    dpkg: "Callable[[Steps, Coding], StepChanges]"
    steps: "Callable[[Steps, Coding], StepChanges]"
    fetched: Fetched
    hub_file: OpenHubFile
    cloned: Cloned
    listed: Callable[[str, str, Files, str, Sequence[Placed]], ListedFiles]
    part: Callable[[LocalFile | Slices], Fingerprinted]
    probe: Probe
    read: Callable[[Placed], object]


def make_plan(
    config: Config,
    decisions: Decisions,
    rules: ImageRules,
    described: Described,
    files: Files,
    gathered: Gathered,
    suppliers: Suppliers,
) -> Plan:
    """Plan all of the image. `files`: what goes into the source directory besides the `gathered` weights; `rules`: of
    the lock's format."""
    maker = LayerMaker.of(config, decisions.base)
    base = plan_base(decisions.base, suppliers.base, maker.compressed, rules)
    cpython = plan_interpreter(decisions.interpreter, suppliers.base, suppliers.interpreter, maker)
    instead = LEAVES_OUT if left_to_recommends(decisions.base) else ""
    ground = (*base.layers, *base.packages)
    dpkg = _changes(dpkg_steps(base.dpkg, ground, shared=base.shared(), instead=instead), config, maker, suppliers.dpkg)
    installed = _ran(dpkg, maker) if dpkg else ()
    local = free_local_names(decisions.base, decisions.places, decisions.python.minor) if config.run else ()
    python = plan_environment(decisions, rules, maker, suppliers.wheel, suppliers.libraries.wheels.watched, local=local)
    project = maker.project(_project(files, described.document, suppliers), suppliers.base.spool)
    below = (*base.layers, *cpython.layers, *base.packages, *installed, python.venv, *python.large)
    packages = (*chain.from_iterable(base.inputs.values()), *base.dpkg_inputs)
    platform = Platform.parse(config.pack.platform)
    lines = locked_lines(config, decisions)
    libraries = Libraries(
        [(wheel, suppliers.wheel(wheel)) for wheel in decisions.wheels],
        (*ground, *installed),
        packages,
        suppliers.libraries,
        platform.architecture,
        decisions.base.versions,
        clashes=decisions.clashes,
        whole=not (
            lines.remaining
            or any(may_bring_libraries(one.effect) for one in lines.effects)
            or names_libraries(decisions.base)
        ),
    )
    library_cache = libraries.plan_cache(maker)
    above = (*python.small, *library_cache.layers, *python.clashes)
    bytecode = plan_bytecode(decisions, base, cpython, python, suppliers.bytecode, maker)
    known = line_layers(config, lines, decisions, maker, suppliers.fetched, suppliers.hub_file, suppliers.cloned)
    seen = (*below, *known.large, *above, *known.small)
    shared = base.shared(between=len(cpython.layers))
    steps = _changes(make_steps(config, lines, seen, shared=shared), config, maker, suppliers.steps)
    ran = _ran(steps, maker) if steps else ()
    max_layers = LAYER_LIMIT - len(seen) - len(ran) - len(bytecode.layers) - 1
    weights, parts = _weights(config, gathered, maker, suppliers, max_layers=max_layers)
    check_places(files, gathered, parts, known.places, known.directories)
    among = [layer for layer in ran if layer.among_weights]
    changed = [layer for layer in ran if not layer.among_weights]
    stable = (*below, *bytecode.large, *weights, *known.large, *among)
    layers = (*stable, *above, *bytecode.small, *known.small, *changed, project)
    if len(layers) > LAYER_LIMIT:
        raise InputError(
            f"the image would have {len(layers)} layers; {LAYER_LIMIT} is the most that runs everywhere",
            next_step="choose a base with fewer layers",
        )
    joins = any(found.weight.rule == "opaque" for found in gathered.weights)
    run = plan_run(config, decisions, described, steps=steps.known if steps else None, joins=joins)
    schema = described.document
    inputs = {**base.inputs, **cpython.inputs, **python.inputs, **library_cache.inputs, **known.inputs}
    return Plan(
        layers=layers,
        base_layers=base.taken,
        base=base.image,
        run=run,
        inputs={
            **inputs,
            **bytecode.inputs,
            **dict.fromkeys(_keys(dpkg, installed), packages),
            **dict.fromkeys(_keys(steps, ran), tuple(chain.from_iterable((*inputs.values(), packages)))),
        },
        lines=lines,
        seen=seen,
        dpkg=dpkg,
        steps=steps,
        ran=(*installed, *ran),
        bytecode=bytecode,
        libraries=libraries,
        learnt=library_cache.layers,
        built=tuple(wheel for wheel in decisions.wheels if wheel.filename in {one.wheel for one in decisions.builds}),
        weights=parts,
        platform=platform,
        annotations={contract.SCHEMA_LABEL: schema.decode()} if len(schema) <= contract.ANNOTATION_LIMIT else {},
        created=decisions.created,
    )


def _weights(
    config: Config, gathered: Gathered, maker: LayerMaker, suppliers: Suppliers, *, max_layers: int
) -> tuple[list[Layer], Mapping[str, tuple[Placed, ...]]]:
    """Make the layers of weights, and tell what each weight file became, by its path."""
    probed = probing(config)
    arrangement = arrange(
        [found.weight for found in gathered.weights],
        gathered.layer_size,
        suppliers.part,
        contract.join_program(),
        suppliers.probe if probed else None,
        read=suppliers.read,
        max_layers=max_layers,
    )
    return [maker.weight(layer, probed=probed) for layer in arrangement.layers], arrangement.parts


def _changes(
    steps: Steps | None, config: Config, maker: LayerMaker, changes: "Callable[[Steps, Coding], StepChanges]"
) -> "StepChanges | None":
    probed = probing(config)

    def coding(kind: StepsLayerKind, ratio: int | None) -> Codec:
        return maker.weight_codec(ratio if probed else None) if kind == "weights" else maker.compressed

    return changes(steps, coding) if steps else None


def _ran(steps: "StepChanges", maker: LayerMaker) -> tuple[StepsLayer | OpenLayer, ...]:
    return steps.layers or (OpenLayer(steps.steps.name, layer_key(steps.steps.key, maker.compressed)),)


def _keys(changes: "StepChanges | None", layers: Sequence[StepsLayer | OpenLayer]) -> Sequence[str]:
    return [layer.key for layer in layers] + ([changes.steps.key] if changes else [])


def _project(files: Files, schema: bytes, suppliers: Suppliers) -> ListedFiles:
    recipe = "\0".join((__version__, *RECIPES, contract.SOURCE, contract.SCHEMA_PATH))
    listing = files.digest(recipe.encode(), schema)
    return suppliers.listed(PROJECT, listing, files, contract.SOURCE, [generated(contract.SCHEMA_PATH, schema)])
