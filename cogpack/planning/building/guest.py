"""Wheels are built over the tree of the image as it is below its own wheels, in the strongest rung, without network.

Each job has a tree of its own: what one source changes in it, the next one does not see. Where a rung has overlays,
that costs nothing, nor do the image's wheels, which are laid once; elsewhere it is a copy.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

import msgspec

from cogpack.artifacts import Input
from cogpack.disk import UNFINISHED, open_regular, writing
from cogpack.errors import InputError
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.layer import Form
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.layers.wheels.venv import VenvSource
from cogpack.locking.wheels.building import Ground
from cogpack.planning.building.job import ARCHIVE, FRONT_END, Done, Job, collected
from cogpack.planning.building.toolkit_links import library_links, toolkit_links
from cogpack.planning.private_guest import Way, way_of
from cogpack.planning.recipes.base import plan_base
from cogpack.planning.recipes.maker import LayerMaker
from cogpack.planning.recipes.python import plan_interpreter
from cogpack.planning.steps.run import PROCESSES
from cogpack.planning.steps.said import Said
from cogpack.planning.steps.steps import Runner
from cogpack.planning.supply import base_supply, interpreter_input
from cogpack.project import Project
from cogpack.runtime import contract
from cogpack.sandbox import standins
from cogpack.sandbox.guest import Command
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.laid import LaidTree
from cogpack.sandbox.trees.lay import Recipe, contents, lay
from cogpack.sandbox.trees.store import StoredTree, Trees
from cogpack.sandbox.watch import Limits
from cogpack.session import Session
from cogpack.trace import TRACE

_PLACE = "var/tmp/cogpack-build"
_REQUEST, _PROGRAM = f"{standins.RUNTIME}/request.json", f"{standins.RUNTIME}/{FRONT_END.name}"


class NoRungError(InputError):
    """Raised where no command can be run over the tree of an image."""


class LayersBelow(msgspec.Struct, frozen=True, kw_only=True):
    """Is what lies below the wheels of an image: `layers`, the lowest first, of which the first `shared` may be kept
    laid; `inputs`: what these are made of."""

    layers: tuple[BuiltLayer | BaseLayer, ...]
    shared: int
    inputs: tuple[Input, ...]
    venv: Recipe


def below(session: Session, project: Project, ground: Ground) -> LayersBelow:
    """Plan the layers, as the image has them."""
    maker = LayerMaker.of(project.config, ground.base)
    supply = base_supply(session, project.config)
    base = plan_base(ground.base, supply, maker.compressed, session.formats[max(session.formats)])
    archive = partial(interpreter_input, session, project.config)
    cpython = plan_interpreter(ground.interpreter, supply, archive, maker)
    python = ground.interpreter.python if ground.interpreter else ground.base.own_python
    assert python is not None
    inputs = {**base.inputs, **cpython.inputs}
    return LayersBelow(
        layers=(*base.layers, *cpython.layers, *base.packages),
        shared=base.shared(between=len(cpython.layers)),
        inputs=tuple(one for some in inputs.values() for one in some),
        venv=Recipe(VenvSource(python=python.minor, interpreter=python.path), maker.inherited),
    )


@contextmanager
def guest_environment(session: Session, project: Project, ground: Ground, runner: Runner) -> Iterator["Guests"]:
    """Lay the tree that all jobs see, for a `with`; `NoRungError` where no command can be run over it here."""
    try:
        way = way_of(runner)
    except InputError as error:
        raise NoRungError(error.message, next_step=error.next_step) from error
    TRACE.decided(f"wheels are built in the rung {way.rung}{', emulated' if way.emulated else ''}")
    lower = below(session, project, ground)
    session.supply.wait(lower.inputs)
    place = runner.scratch / f"{UNFINISHED}{secrets.token_hex(8)}"
    shared = SharedWheels(way, lower.venv, place.with_name(f"{UNFINISHED}{secrets.token_hex(8)}"))
    session.kept.used(place)
    session.kept.used(shared.place)
    try:
        yield Guests(way, _laid(lower, way, place), lower.venv, shared)
    finally:
        remove_tree(place)
        remove_tree(shared.place)


def _laid(lower: LayersBelow, way: Way, place: Path) -> StoredTree:
    """Lay the tree. What many images share is kept in the cache; the rest is laid in `place`, for this run."""
    runner = way.runner
    size = sum(layer.size(Form.STORED) or 0 for layer in lower.layers)
    task = runner.progress.task("the files that wheels are built over", size or None, "unpack")

    def laid(new: Path, layers: Sequence[BuiltLayer | BaseLayer], kept: StoredTree | None) -> LaidTree:
        return lay(
            new,
            [contents(layer) for layer in layers],
            owned=way.owned,
            readable=True,
            jobs=runner.jobs,
            cancellation=runner.cancellation,
            on_bytes=task.advance,
            below=kept.put if kept else lambda *_: None,
        )

    shared, above = lower.layers[: lower.shared], lower.layers[lower.shared :]
    kept = None
    if shared:
        names = [layer.contents for layer in shared]
        kept = Trees(runner.cache, runner.seal).get(names, owned=way.owned, lay=lambda new: laid(new, shared, None))
    if kept is None or above:
        tree = laid(place, above, kept)
        kept = StoredTree(tree.root, dict(tree.laid), tree.owned)
    task.done("")
    return kept


class SharedWheels:
    """Lays the image's wheels once for all jobs that are built among the same: with torch they have gigabytes. `place`:
    the directory that it makes for them, and does not remove."""

    def __init__(self, way: Way, venv: Recipe, place: Path) -> None:
        self._way = way
        self._venv = venv
        self.place = place
        self._made: dict[tuple[str, ...], Path] = {}
        self._making = Lock()

    def of(self, wheels: Sequence[WheelFile]) -> list[Path]:
        """Give the tree of the environment with `wheels`; none where each job is to lay its own."""
        if not wheels or not self._way.overlays:
            return []
        key = tuple(wheel.sha256 for wheel in wheels)
        with self._making:
            if key not in self._made:
                runner, place = self._way.runner, self.place / str(len(self._made))
                with writing(self.place):
                    self.place.mkdir(exist_ok=True)
                recipes = [self._venv, Recipe(WheelsSource(wheels), self._venv.inherited)]
                owned, stop = self._way.owned, runner.cancellation
                try:
                    tree = lay(place, recipes, owned=owned, readable=True, jobs=runner.jobs, cancellation=stop)
                except BaseException:
                    remove_tree(place)  # else the next source is told that something is there already
                    raise
                tree.root.chmod(0o755)
                self._made[key] = tree.root
            return [self._made[key]]


class Guests:
    """Does jobs over the tree `lower`, which stays as it is."""

    pure = False

    def __init__(self, way: Way, lower: StoredTree, venv: Recipe, shared: SharedWheels) -> None:
        self._way = way
        self._lower = lower
        self._venv = venv
        self._shared = shared

    def run(self, job: Job) -> Done:
        place = job.place / secrets.token_hex(4)
        try:
            return self._run(job, place)
        finally:
            remove_tree(place)

    def _run(self, job: Job, place: Path) -> Done:
        between = self._shared.of(job.beside)
        there = {wheel.sha256 for wheel in job.beside} if between else set()
        own = [wheel for wheel in job.wheels if wheel.sha256 not in there]
        recipes = [] if between else [self._venv]
        if own:
            recipes.append(Recipe(WheelsSource(own), self._venv.inherited))
        if job.toolkit_of_wheels:
            recipes.append(Recipe(toolkit_links(job.wheels), self._venv.inherited))
        if job.compiles_for_cuda:
            recipes.append(Recipe(library_links(job.wheels), self._venv.inherited))
        archive = f"{standins.RUNTIME}/{ARCHIVE}"
        request = job.request(f"/{archive}", f"/{_PLACE}", dies=False)
        told = Said(partial(tell, job.title), of_a_source=True)
        status, root = self._way.run(
            self._lower,
            place,
            Command((f"/{contract.VENV}/bin/python3", f"/{_PROGRAM}", f"/{_REQUEST}"), job.environment),
            told.hear,
            recipes=recipes,
            between=between,
            files=[
                standins.File(_PROGRAM, FRONT_END.read_bytes()),
                standins.File(_REQUEST, request),
                standins.Copy(archive, partial(open_regular, job.archive)),
            ],
            limits=limits_of(self._way.runner),
        )
        told.end()
        return collected(job, root, _PLACE, status, told.last, size=self._way.runner.limits.size)


def limits_of(runner: Runner) -> Limits:
    """Give what a build may take: as much as a step."""
    limits = runner.limits
    return Limits(seconds=limits.time, idle=limits.idle, size=limits.size, processes=PROCESSES)


def tell(title: str, line: str) -> None:
    """Tell who listens what a build says."""
    if TRACE.level:
        TRACE.decided(f"{title}: {line}")
