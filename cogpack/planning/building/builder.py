"""Sources are built, many at a time, each until it is a wheel or nothing more is known to try."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cogpack.disk import UNFINISHED, DiskError, writing
from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.source import WheelFile
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.building import ANOTHER, Built, Ground, Source, WantsCompilerError, WantsWheelsError
from cogpack.notes import Code, Note
from cogpack.planning.building.archive import checked_requirements, imports_torch, pack, read_build_system
from cogpack.planning.building.compiled_code import check_device_code, check_symbols
from cogpack.planning.building.failures import UNISOLATED, Repair, failed, find_repair, is_unexplained, stopped
from cogpack.planning.building.guest import NoRungError, guest_environment
from cogpack.planning.building.host import Host, find_python
from cogpack.planning.building.job import Done, Environment, Job
from cogpack.planning.building.requirements import BuildRequirements
from cogpack.planning.building.wheel import canonical
from cogpack.planning.supply import runner_of
from cogpack.project import Project
from cogpack.resolve.wheels.torch import BUILT
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.watch import LimitError
from cogpack.session import Session
from cogpack.threads import each

_AT_A_TIME = 4
"""Sources: each may compile on several cores, and most wait for an index first."""
_TRIES = 8
"""Builds of one source, with what was found to be missing meanwhile."""


class SourceBuilder:
    """Is locking's `WheelBuilder`: it builds as `cogpack.build_wheels` of the project has it."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project

    def build(self, sources: Sequence[Source], ground: Ground) -> Sequence[Built | InputError]:
        if not sources:
            return []
        if self._project.config.pack.build_wheels == "never":
            return [_never(source) for source in sources]
        told = [_wants_wheels(source) for source in sources]
        made = iter(self._built([one for one, late in zip(sources, told, strict=True) if late is None], ground))
        answers = [late or next(made) for late in told]
        wanting = [index for index, answer in enumerate(answers) if isinstance(answer, WantsCompilerError)]
        if wanting and (compiling := ground.with_compiler()):
            for index, answer in zip(wanting, self._built([sources[i] for i in wanting], compiling), strict=True):
                answers[index] = answer if isinstance(answer, InputError) else _compiled(sources[index], answer)
        return answers

    def _built(self, sources: Sequence[Source], ground: Ground) -> list[Built | InputError]:
        if not sources:
            return []
        requirements = BuildRequirements(self._session, self._project, ground.target)
        with self._environment(ground) as environment:
            jobs, cancellation = min(_AT_A_TIME, len(sources)), self._session.cancellation

            def one(source: Source) -> Built | InputError:
                try:
                    return self._build(source, ground, environment, requirements, None, at_once=jobs)
                except DiskError:
                    raise
                except InputError as error:
                    return error

            return list(each(one, sources, jobs=jobs, name="build", cancellation=cancellation))

    def rebuild(self, source: Source, requires: Sequence[LockedWheel], ground: Ground) -> Built:
        if self._project.config.pack.build_wheels == "never":
            raise _never(source)
        requirements = BuildRequirements(self._session, self._project, ground.target)
        with self._environment(ground) as environment:
            return self._build(source, ground, environment, requirements, tuple(requires))

    @contextmanager
    def _environment(self, ground: Ground) -> Iterator[Environment]:
        """Give the tree of the image; where no command can be run over it, this machine, if it may be that."""
        session, project = self._session, self._project
        runner = runner_of(session, project, ground.base)
        with ExitStack() as stack:
            try:
                environment: Environment = stack.enter_context(guest_environment(session, project, ground, runner))
            except NoRungError as error:
                if project.config.pack.build_wheels != "host":
                    advice = f"{error.next_step}; or set cogpack: {{build_wheels: host}} if you trust the sources"
                    raise InputError(f"sources can't be built: {error.message}", next_step=advice) from error
                environment = Host(runner, find_python(ground.target.python, session.environment), ground.target.python)
            yield environment

    def _build(
        self,
        source: Source,
        ground: Ground,
        environment: Environment,
        requirements: BuildRequirements,
        pinned: tuple[LockedWheel, ...] | None,
        *,
        at_once: int = 1,
    ) -> Built:
        """Build one. `pinned`: what it is built with, and nothing else; None where that is to be found; `at_once`: how
        many are built beside each other."""
        session = self._session
        place = session.cache / "trees" / f"{UNFINISHED}{secrets.token_hex(8)}"
        session.kept.used(place)
        task = session.progress.task(source.title, None, "build")
        with writing(place):
            place.mkdir(mode=0o700, parents=True)
        try:
            tries = _Tries(source, place, environment, requirements, ground, at_once)
            wheel = tries.until_built(pinned)
            file = LocalFile.of(wheel)
            if ground.toolkit:
                check_device_code(file, wheel.name, source)
            kept = canonical(file, wheel.name, source, ground.target, pure=environment.pure)
            artifact = session.store.take(wheel.name, kept)
        except BaseException:
            task.done("")  # it may be tried again, with a compiler
            raise
        finally:
            remove_tree(place)
        path = session.store.find(artifact)
        assert path is not None
        assert artifact.size is not None
        own = WheelFile(wheel.name, artifact.digest.removeprefix("sha256:"), lambda: LocalFile.of(path))
        check_symbols(session, source, own, tries.files, ground.target.arch)
        task.done("built")
        return Built(
            filename=wheel.name,
            path=path,
            sha256=artifact.digest.removeprefix("sha256:"),
            size=artifact.size,
            requires=tries.wheels,
            notes=tuple(Note(Code.OLD_SOURCE, f"{source.title}: built with {one}") for one in tries.repairs),
        )


def _wants_wheels(source: Source) -> WantsWheelsError | None:
    """Tell of one that can't be built yet before a tree is laid for it, which with CUDA has gigabytes."""
    if not source.isolated or source.neighbours is not None:
        return None
    try:
        wants = imports_torch(source, at_once=True)
    except InputError:  # its build says what is wrong with it
        return None
    return WantsWheelsError(f"{source.title}: its setup.py imports torch, which is not known yet") if wants else None


class _Tries:
    """Builds a source again and again, with what was found to be missing. `wheels`: what it was built with in the end,
    `repairs`: what of that was not asked for."""

    def __init__(
        self,
        source: Source,
        place: Path,
        environment: Environment,
        requirements: BuildRequirements,
        ground: Ground,
        at_once: int,
    ) -> None:
        self._source = source
        self._at_once = at_once
        self._place = place
        self._environment = environment
        self._requirements = requirements
        self._ground = ground
        self._isolated = source.isolated
        self.wheels: tuple[LockedWheel, ...] = ()
        self.files: tuple[WheelFile, ...] = ()
        self.repairs: list[Repair] = []

    def until_built(self, pinned: tuple[LockedWheel, ...] | None) -> Path:
        """Give the wheel that a backend made; `InputError` where none did."""
        source = self._source
        archive = pack(source, self._place)
        system = read_build_system(archive, source)
        toolkit = self._ground.toolkit
        lines = [*system.requires, *([toolkit.wheels] if toolkit and toolkit.wheels else [])]
        for _ in range(_TRIES):
            self.wheels = self._resolved(lines) if pinned is None else pinned
            inputs = self._requirements.inputs(self.wheels, self._source.neighbours)
            self.files = tuple(
                WheelFile(one.filename, one.sha256, has.file) for one, has in zip(self.wheels, inputs, strict=True)
            )
            job = Job(
                title=source.title,
                archive=archive,
                subdirectory=source.subdirectory,
                system=system,
                wheels=self.files,
                beside=self._of_image(),
                installed=tuple(one.name for one in self.wheels),
                known=tuple(lines) if pinned is None else None,
                python=self._ground.target.python,
                isolated=self._isolated,
                variables=toolkit.build_variables if toolkit else {},
                toolkit_of_wheels=bool(toolkit and toolkit.wheels),
                exec_into_locals=any(repair.exec_into_locals for repair in self.repairs),
                python_headers="" if self._ground.interpreter else "python3-dev",
                at_once=self._at_once,
                place=self._place,
            )
            done = self._done(job)
            if done.wheel is not None:
                return done.wheel
            if done.status == 0:
                lines += checked_requirements(done.requires, where=f"{source.title}: what its backend requires")
                continue
            repair = find_repair(done.said, self.repairs, job.python, isolated=self._isolated)
            if repair is None and self._isolated and is_unexplained(job, done) and imports_torch(source, at_once=False):
                repair = UNISOLATED  # it says in words of its own what it lacks
            if repair is None or (pinned is not None and not repair.exec_into_locals):
                raise failed(job, done, self.repairs)
            if repair.unisolated and source.neighbours is None:
                raise WantsWheelsError(failed(job, done, self.repairs).message)
            self._isolated = self._isolated and not repair.unisolated
            self.repairs.append(repair)
            try:
                if pinned is None:
                    self._resolved(lines)
            except InputError as error:  # it pins what is too new
                raise failed(job, done, self.repairs) from error
        raise InputError(
            f"{source.title}: can't be built: its backend requires more each time it is asked",
            next_step=ANOTHER,
        )

    def _of_image(self) -> tuple[WheelFile, ...]:
        """Give those that are worth laying once: all that are the image's, where torch is one of them."""
        neighbours = self._source.neighbours
        there = {one.sha256: one.name for one in neighbours.wheels} if neighbours else {}
        found = tuple(one for one in self.files if one.sha256 in there)
        return found if any(there[one.sha256] in BUILT for one in found) else ()

    def _resolved(self, lines: Sequence[str]) -> tuple[LockedWheel, ...]:
        lines = [*lines, *(line for repair in self.repairs for line in repair.requires)]
        constraints = [line for repair in self.repairs for line in repair.constraints]
        there = self._there(lines, constraints)
        names = {one.name for one in there}
        if not self._isolated:
            lines = [line for line in lines if not _is_there(Requirement(line), names)]
        constraints += [f"{one.name}=={one.version}" for one in there]
        try:
            found = self._requirements.resolve(lines, constraints)
            if self._isolated:
                return found
            return tuple(sorted((*there, *(one for one in found if one.name not in names)), key=lambda one: one.name))
        except DiskError:
            raise
        except InputError as error:
            message = f"{self._source.title}: can't be built: its build requirements: {error.message}"
            raise InputError(message, next_step=error.next_step) from error

    def _there(self, lines: Sequence[str], constraints: Sequence[str]) -> list[LockedWheel]:
        """Give those of the image's wheels that it is built with: all of them, or those that must be the same since
        machine code depends on them."""
        neighbours = self._source.neighbours
        if self._isolated:
            wanted = BUILT.intersection(canonicalize_name(Requirement(line).name) for line in lines)
            if wanted and neighbours is None:
                raise WantsWheelsError(f"{self._source.title}: it is built with {', '.join(sorted(wanted))}")
            return [one for one in neighbours.wheels if wanted and one.name in BUILT] if neighbours else []
        assert neighbours is not None
        limits = [Requirement(line) for line in constraints]
        refused = {
            one.name
            for one in neighbours.wheels
            for limit in limits
            if limit.name == one.name and not limit.specifier.contains(one.version, prereleases=True)
        }
        return [one for one in neighbours.wheels if one.name not in refused]

    def _done(self, job: Job) -> Done:
        try:
            return self._environment.run(job)
        except LimitError as error:
            if error.limit == "disk":
                raise DiskError(f"{job.title}: {error.message}", next_step=error.next_step, place=job.place) from error
            raise stopped(job, error) from error


def _is_there(wanted: Requirement, names: Collection[str]) -> bool:
    """Tell whether one of these is all that is wanted: of an extra nobody knows."""
    return canonicalize_name(wanted.name) in names and not wanted.extras


def _compiled(source: Source, built: Built) -> Built:
    text = f"{source.title}: compiled by Debian's gcc, which is there for that alone: the image has no compiler"
    return msgspec.structs.replace(built, compiled=True, notes=(*built.notes, Note(Code.BUILD_COMPILER, text)))


def _never(source: Source) -> InputError:
    return InputError(
        f"{source.title}: there is only its source, and cogpack.build_wheels is never",
        next_step=f"{ANOTHER}; or let it be built (build_wheels: auto)",
    )
