"""`cogpack plan`, `push --dry-run` and `weights ls` tell what a push would do. Nothing is built or sent."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from cogpack import run_lines
from cogpack.commands.results import WheelBuild
from cogpack.config.steps import step_places
from cogpack.digest import Digest
from cogpack.documents import check
from cogpack.errors import InputError
from cogpack.layers.files import LEAST
from cogpack.layers.known import Known
from cogpack.layers.layer import Layer, key_of
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.arrangement import Weight, largest
from cogpack.layers.weights.probe import NOTHING, WORTH
from cogpack.lockfile import Decisions
from cogpack.locking.lines.told import told_of
from cogpack.locking.minimum_driver import MinimumDriver, minimum_driver
from cogpack.locking.recommended import Recommended, recommended
from cogpack.locking.unasked import unasked_lines
from cogpack.model_files import Rule
from cogpack.notes import Code, Note
from cogpack.planning.delivery.asked import AskedTarget, moves
from cogpack.planning.delivery.model_variables import model_reference
from cogpack.planning.delivery.targets import PushTarget, image_place, is_bare, push_reference, push_targets
from cogpack.planning.describing import find_described
from cogpack.planning.known import look_up
from cogpack.planning.layer_items import LayerItem, planned_items
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import Prepared, prepare_each
from cogpack.planning.steps.changes import StepChanges
from cogpack.project import Project
from cogpack.runtime.contract import SCHEMA_PATH, project_path
from cogpack.session import Session

T = TypeVar("T")

JOIN_RATE = 1.1e9
"""Bytes a second that a start-up join copies where the file system can't share blocks (measured on ext4)."""

LAID = 3
"""Bytes on the disk of one of packages, wheels or layers, roughly: Debian's packages together take 4.2, wheels from 2.9
on, libraries of CUDA less."""


class PlannedWeight(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a weight file: `rule` and `why` it was taken; `others`: what another rule would give, for files that one
    could split. `equal_to`: the first file of the same bytes and mode, with which it is stored once."""

    path: str
    size: int
    rule: Rule
    why: str
    others: tuple[str, ...] = ()
    equal_to: str | None = None


class PlannedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a layer. `size`: bytes as stored, None where only building tells; `about`: bytes of its packages.

    `moves`: None when nothing was asked of a target; `mounts`: every target that lacks it is asked first to mount it
    from another repository of its registry, where this machine knows it to be: then no byte of it moves, unless that
    registry does not mount. `tagged`: the image that each tag names now has it, and who has that need not pull it; None
    where none names one. `vouched`: on whose word the digest is known, as "cogpack.lock". `ratio`: of weights that
    were probed, what zstd leaves of them; `compression`: what was decided, and why; `items`: what it holds, where that
    is known; `platforms`: those whose image has it.
    """

    name: str
    key: str
    digest: Digest | None
    size: int | None
    about: int | None
    moves: bool | None
    mounts: bool = False
    tagged: bool | None = None
    vouched: str = ""
    ratio: float | None = None
    compression: str = ""
    items: tuple[LayerItem, ...] = ()
    platforms: tuple[str, ...] = ()


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a file of the project's own layer, or a link to `target`; `path` is relative to the project."""

    path: str
    size: int
    target: str | None = None


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a command of `build.run`: it is `known`, and not run, and `effect` is what it does; or `sandboxed` says
    why it is run, or `impossible` why it can't succeed. `platform`: of which this is told, where it is not the same for
    all."""

    command: str
    platform: str | None = None
    known: bool = False
    effect: tuple[str, ...] = ()
    sandboxed: str | None = None
    impossible: str | None = None


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of layers, bottom first, and of weight files by their paths. Of several platforms' images, layers that they
    share are told once, and those that only a later one has behind all others. `files`: where they are asked for;
    `isolation`: where steps are yet to be run, how this machine would, and what it would not keep them from; `laid`:
    there, about the bytes that the files take on the disk which they see, and `laying` the seconds until they are
    there, by what this machine did last; `recommended`: where packages of Debian may bring what they only recommend,
    what that is; `driver`: NVIDIA's, where wheels bring CUDA; `unasked`: what was added of Debian that nobody
    asked for, and why; `built`: the
    wheels that were built of sources; `schema`: the model's OpenAPI document."""

    layers: tuple[PlannedLayer, ...]
    weights: tuple[PlannedWeight, ...]
    steps: tuple[PlannedStep, ...] = ()
    isolation: str | None = None
    laid: int | None = None
    laying: float | None = None
    recommended: Recommended | None = None
    driver: MinimumDriver | None = None
    unasked: tuple[str, ...] = ()
    built: tuple[WheelBuild, ...] = ()
    files: tuple[PlannedFile, ...] | None = None
    schema: dict[str, Any] = {}

    def weights_only(self) -> "Planned":
        layers = tuple(layer for layer in self.layers if layer.name.startswith(WEIGHTS))
        return Planned(layers=layers, weights=self.weights)


def plan(
    session: Session,
    *targets: str,
    tags: Sequence[str] = (),
    tag_cache: bool = True,
    files: bool = False,
) -> Planned:
    """Tell the layers, and which would move to any target; nothing is built or sent. The arguments are `push`'s.

    `files`: list those of the project's own layer, too.
    """
    project = find_described(session)
    session.notes.show_all()
    asked = [AskedTarget(session, target) for target in _targets(session, targets, tags, project)]
    each = prepare_each(session, project, writes=False)
    present = {name: said for one in asked for name, said in one.present_layers().items()}
    known: list[Known] = []
    for prepared in each:
        known.append(look_up(session, prepared, present, tag_cache=tag_cache, seen=known[-1].read if known else {}))
    layers = tuple(_layers(each, known, asked))
    listed = _files(each[0]) if files else None
    unrun = [[changes for changes in one.plan.changes if changes.known is None] for one in each]
    seen = [
        (_seen(changes[-1], one.plan, its), changes[-1])
        for one, its, changes in zip(each, known, unrun, strict=True)
        if changes
    ]
    most, last = max(seen, key=lambda one: one[0], default=(0, None))
    platforms = project.config.pack.platforms
    decisions = [each[0].lock.platforms[platform] for platform in platforms]
    return Planned(
        layers=layers,
        weights=_weights(each[0]),
        steps=_steps(each),
        isolation="; ".join(dict.fromkeys(_isolation(changes) for changes in unrun if changes)) or None,
        laid=LAID * most if last else None,
        laying=round(last.runner.laying.seconds(most), 1) if last else None,
        recommended=next(filter(None, (recommended(one.base) for one in decisions)), None),
        driver=next(filter(None, map(minimum_driver, decisions)), None),
        unasked=tuple(dict.fromkeys(line for one in decisions for line in unasked_lines(one))),
        built=WheelBuild.all_of_each(each[0].lock, platforms),
        files=listed,
        schema=check(each[0].schema, dict[str, Any]),
    )


def _layers(each: Sequence[Prepared], known: Sequence[Known], asked: Sequence[AskedTarget]) -> list[PlannedLayer]:
    """Tell of the layers of all images; one that an image shares with one before it is told of once."""
    found: list[PlannedLayer] = []
    for prepared, its in zip(each, known, strict=True):
        platform = prepared.project.config.pack.platform
        before = {layer.key: at for at, layer in enumerate(found)}
        for layer, items in zip(prepared.plan.layers, planned_items(prepared.plan, prepared.decisions), strict=True):
            if (at := before.get(key_of(layer))) is None:
                told = _planned(layer, its, asked, prepared.plan)
                found.append(msgspec.structs.replace(told, items=items, platforms=(platform,)))
            elif platform not in found[at].platforms:
                found[at] = msgspec.structs.replace(found[at], platforms=(*found[at].platforms, platform))
    return found


def _seen(changes: StepChanges, plan: Plan, known: Known) -> int:
    """Sum up the packages, wheels and layers that commands see, in bytes as they are fetched."""
    return sum(plan.fetched(below) or known.size(below) or 0 for below in changes.steps.seen)


def _isolation(unrun: Sequence[StepChanges]) -> str:
    from cogpack.planning.steps.run import chosen_rung  # with the sandbox, which few projects need

    names = " and ".join(changes.steps.name for changes in unrun)
    try:
        rung = chosen_rung(unrun[0].runner)
    except InputError as error:
        return f"{names} can't be run here: {error.message}"
    return f"{names} would be isolated by {rung}; open: {rung.left_open}"


def _steps(each: Sequence[Prepared]) -> tuple[PlannedStep, ...]:
    """Tell of each command what is known of it, or why it is run; for each platform where that is not the same."""
    told = {prepared.project.config.pack.platform: _steps_of(prepared) for prepared in each}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return tuple(msgspec.structs.replace(step, platform=platform) for platform, steps in told.items() for step in steps)


def _steps_of(prepared: Prepared) -> tuple[PlannedStep, ...]:
    config = prepared.project.config
    places, decisions = step_places(config), prepared.lock.platforms[config.pack.platform]
    return tuple(
        _step(index, step.command, found, places, decisions)
        for index, (step, found) in enumerate(zip(config.run, prepared.plan.lines.steps, strict=True))
    )


def _step(
    index: int, command: str, found: run_lines.ReadStep, places: Sequence[str], decisions: Decisions
) -> PlannedStep:
    match found:
        case run_lines.KnownStep(effects=effects):
            pip_lines = iter([line for line in decisions.pip_lines if line.step == index])
            told = tuple(told_of(effect, decisions, pip_lines) for effect in effects)
            return PlannedStep(command=command, effect=told, known=True)
        case run_lines.SandboxedStep(why=why, because=because):
            first = "" if because is None else f" ({places[because]})"
            return PlannedStep(command=command, sandboxed=why + first)
        case run_lines.ImpossibleStep(why=why):
            return PlannedStep(command=command, impossible=why)


def _planned(layer: Layer, known: Known, asked: Sequence[AskedTarget], plan: Plan) -> PlannedLayer:
    found = known.of(layer)
    blob = found.info.descriptor if found else None
    moving = moves(asked, blob)
    tagged = [blob is not None and blob.digest in blobs for one in asked for blobs in one.tagged]
    return PlannedLayer(
        name=layer.name,
        key=key_of(layer),
        digest=blob.digest if blob else None,
        size=known.size(layer),
        about=plan.fetched(layer) or None,  # nothing is fetched for bytecode alone
        moves=moving,
        mounts=moving is True and blob is not None and all(one.mounts(layer, blob) for one in asked),
        tagged=all(tagged) if tagged else None,
        vouched=found.told_by if found else "",
        ratio=layer.ratio / 1000 if layer.ratio is not None else None,
        compression=_compression(layer.ratio),
    )


def _targets(session: Session, texts: Sequence[str], tags: Sequence[str], project: Project) -> tuple[PushTarget, ...]:
    """Say what would be pushed to; nothing where nobody said, or said a name for this machine alone."""
    named = bool(texts) or model_reference(session.environment, project.config) is not None
    if not named and not project.config.image:
        return ()
    if not named and is_bare(push_reference(None, project)):
        text = f"{image_place(project.config)}: {project.config.image} names no registry, so none was asked"
        session.progress.note(Note(Code.REGISTRY_UNASKED, f"{text}; a push needs HOST/NAME:TAG"))
        return ()
    return push_targets(session, texts, tags, project)


def _compression(ratio: int | None) -> str:
    if ratio is None:
        return ""
    if ratio >= NOTHING:
        return "none: quantised or packed already, zstd would leave all of it"
    if ratio > WORTH:
        return f"none: zstd would leave {ratio / 1000:.3f}, it pays from {WORTH / 1000:.1f} down"
    return f"zstd: leaves {ratio / 1000:.3f}"


def _weights(prepared: Prepared) -> tuple[PlannedWeight, ...]:
    gathered, equal = prepared.gathered, _equal(prepared)

    def planned(weight: Weight, why: str) -> PlannedWeight:
        opened = project_path(prepared.plan.weights[weight.path][-1].path)
        return PlannedWeight(
            path=weight.name,
            size=weight.size,
            rule=weight.rule,
            equal_to=equal.get(weight.path),
            why=f"{why}; code opens {opened}" if weight.rule == "gguf" else why,
            others=_others(weight.name, weight.size, weight.rule, gathered.layer_size),
        )

    return tuple(planned(found.weight, found.why) for found in gathered.weights)


def _files(prepared: Prepared) -> tuple[PlannedFile, ...]:
    project = prepared.project
    found = [
        PlannedFile(path=file.path, size=file.size, target=file.target)
        for file in project.files()
        if file.kind != "directory" and not project.is_weight(file)
    ]
    found.append(PlannedFile(path=project_path(SCHEMA_PATH), size=len(prepared.schema)))
    return tuple(sorted(found, key=lambda file: file.path.encode()))


def _equal(prepared: Prepared) -> dict[str, str]:
    """Find the weights that are there more than once, in bytes and mode: by the path of each, the name of the first."""
    first: dict[tuple[tuple[str | None, bool], ...], Weight] = {}
    found: dict[str, str] = {}
    for weight in (found.weight for found in prepared.gathered.weights):
        parts = tuple((part.content.blake3, part.executable) for part in prepared.plan.weights[weight.path])
        if weight.size >= LEAST and first.setdefault(parts, weight) is not weight:
            found[weight.path] = first[parts].name
    return found


def _others(path: str, size: int, rule: Rule, target: int) -> tuple[str, ...]:
    if size <= largest(target):
        return ()
    parts = -(-size // target)
    offers = {
        "none": "none: 1 layer, one stream",
        "opaque": f"opaque: {parts} layers, joined at each first start in about {size / JOIN_RATE:.0f} s, "
        f"{size / 1e9:.1f} GB of disk more",
    }
    if path.endswith(".safetensors"):
        offers["tensor"] = f"tensor: about {parts} layers, for loaders that read an index"
    if path.endswith(".gguf"):
        offers["gguf"] = f"gguf: about {parts} layers, for llama.cpp, which opens the first of the parts"
    return tuple(text for name, text in offers.items() if name != rule)
