"""pip lines of `build.run` are taken out of the sandbox: each is resolved alone over the set of wheels before it.

What can't be told without running pip (`UnforeseenError`) ends it: that step is run, and so are the pip lines after it.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from packaging.requirements import Requirement
from packaging.version import Version

from cogpack.config.steps import step_places
from cogpack.digest import Digest, sha256
from cogpack.disk import DiskError
from cogpack.errors import InputError, UnavailableError
from cogpack.lockfile import Decisions, IndexSource, LockedClone, LockedPipLine, LockedSandboxed, LockedWheel
from cogpack.locking.lines.pip.applied import AppliedLines
from cogpack.locking.lines.pip.archives import make_wheel_of
from cogpack.locking.lines.pip.asked import asked, check_line, is_laid, package_of, taste_of
from cogpack.locking.lines.pip.breaks import find_breaks
from cogpack.locking.lines.pip.files import ReadFile, Said, all_names, with_files
from cogpack.locking.lines.pip.mim import check_names, with_links
from cogpack.locking.lines.pip.source import PipSource
from cogpack.locking.lines.pip.sources import make_wheels, source_lines
from cogpack.locking.lines.pip.uv import check_choice, uv_wheels
from cogpack.locking.lines.pip.wheels import LineIndexes
from cogpack.locking.sources.direct import DirectWheel, DirectWheels
from cogpack.locking.wheels.elsewhere import ElsewhereWheels
from cogpack.locking.wheels.outlines import Outlines
from cogpack.oci import encode
from cogpack.project import Project
from cogpack.requirements.model import SourceLine
from cogpack.resolve.pip import Asked, Command, UnforeseenError, solve
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import Resolved
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython
from cogpack.run_lines import PipInstall, PipRequirement, PipUninstall, StepEffect, told
from cogpack.session import Session
from cogpack.trace import TRACE

_RECIPE = "pip lines/1"
"""Part of each key: another one when the same line over the same set would give another."""


class PipLines:
    """Applies pip lines to what was `resolved` for the project.

    `python`: its full version, where that is known; `direct`: makes the wheels of sources that they name. What `kept`
    says of a line over the same set still holds. A line that is another, or finds another set, keeps the versions that
    its step had, as far as they fit.
    """

    def __init__(
        self,
        session: Session,
        project: Project,
        resolved: Resolved,
        target: TargetPython,
        kept: Decisions | None,
        *,
        python: str | None = None,
        direct: DirectWheels | None = None,
    ) -> None:
        self._session = session
        self._project = project
        self._resolved = resolved
        self._target = target
        self._tags = target.tags()
        full = {name: python for name in ("python_full_version", "implementation_version") if python}
        self._environment = {**target.environment(), **full}
        self._kept = kept
        self._direct = direct if project.config.pack.build_wheels != "never" else None
        self._ground = direct.ground if direct else None
        self._effects: Sequence[StepEffect] = ()
        self._lines: list[LockedPipLine] = []
        self._resolved_lines: list[LockedPipLine] = []
        self._addresses = dict(resolved.addresses)
        self._taken = {wheel.filename: wheel for wheel in (*(kept.replaced if kept else ()), *resolved.wheels)}
        self._indexes = LineIndexes(session, project)
        self._required = {wheel.filename: wheel.sha256 for wheel in resolved.wheels}
        self._outlines = Outlines(session, project, self._locate)
        kept_wheels = (*kept.wheels, *kept.replaced) if kept else ()
        self._elsewhere = ElsewhereWheels(session, project, target, kept_wheels)

    def apply(self, effects: Sequence[StepEffect], read: ReadFile, clones: Sequence[LockedClone] = ()) -> AppliedLines:
        """Apply those of `effects` that are pip's, in order; `read`: gives files of `clones`. `UnavailableError` and
        `DeniedError` from servers."""
        self._effects = effects
        self._read = read
        self._clones = clones
        self._lines = []
        sandboxed = None
        for one in effects:
            if not isinstance(one.effect, PipInstall | PipUninstall):
                continue
            try:
                self._lines.append(self._applied(one.step, one.effect))
            except DiskError:
                raise
            except InputError as error:
                raise InputError(f"{self._place(one.step)}: {error.message}", next_step=error.next_step) from error
            except UnforeseenError as error:
                sandboxed = LockedSandboxed(step=one.step, why=error.reason)
                self._lines = [line for line in self._lines if line.step != one.step]
                break
        return self._result(sandboxed)

    def _place(self, step: int) -> str:
        return step_places(self._project.config)[step]

    @property
    def _wheels(self) -> dict[str, LockedWheel]:
        """Give the set by name: what the project requires, and each line done to it."""
        found = {wheel.name: wheel for wheel in self._resolved.wheels}
        for line in self._lines:
            for name in line.removed:
                found.pop(name, None)
            found |= {self._taken[filename].name: self._taken[filename] for filename in line.wheels}
        return found

    def _applied(self, step: int, effect: PipInstall | PipUninstall) -> LockedPipLine:
        before = self._wheels
        if isinstance(effect, PipUninstall):
            if effect.installer not in before:
                raise UnforeseenError(f"no {effect.installer} is among the wheels before it")
            names = all_names(effect, self._read)
            effect = msgspec.structs.replace(effect, names=names, files=())
            removed = tuple(name for name in names if name in before)
            return LockedPipLine(step=step, key=self._key(effect, before), removed=removed)
        said = with_files(effect, self._read)
        sources = source_lines(said.effect, self._clones, self._place(step))
        key = self._key(said.effect, before, said.constraints, sources)
        if (line := self._as_kept(step, key)) is not None:
            return line
        TRACE.decided(f"{self._place(step)}: resolved: {told(effect)}")
        line = self._install(step, said, key, before, sources)
        self._resolved_lines.append(line)
        return line

    def _result(self, sandboxed: LockedSandboxed | None) -> AppliedLines:
        final = self._wheels
        lines = tuple(self._lines)
        known = {*self._required, *(filename for line in lines for filename in line.wheels)}
        in_image = {wheel.filename for wheel in final.values()}
        wheels = tuple(sorted(final.values(), key=lambda wheel: wheel.name))
        kept = self._kept
        unchanged = kept is not None and kept.pip_lines == lines and _hashes(kept.wheels) == _hashes(wheels)
        return AppliedLines(
            wheels=wheels,
            outlines=self._outlines,
            replaced=tuple(self._taken[filename] for filename in sorted(known - in_image)),
            lines=lines,
            breaks=kept.breaks
            if unchanged and kept
            else find_breaks(self._session, self._outlines, wheels, lines, self._taken, self._environment),
            sandboxed=(sandboxed,) if sandboxed else (),
        )

    def _key(
        self,
        effect: PipInstall | PipUninstall,
        before: Mapping[str, LockedWheel],
        constraints: Sequence[Requirement] = (),
        sources: Mapping[PipRequirement, SourceLine] = {},
    ) -> Digest:
        target = self._target
        commits = [str(line) for one, line in sources.items() if one.tree]
        return sha256(
            encode(
                [
                    _RECIPE,
                    type(effect).__name__,
                    msgspec.to_builtins(effect),
                    [self._environment["python_full_version"], target.glibc, target.arch],
                    self._project.config.pack.exclude_newer or "",
                    sorted(_hashes(before.values())),
                    *([list(map(str, constraints))] if constraints else []),
                    *([commits] if commits else []),
                ]
            )
        )

    def _as_kept(self, step: int, key: Digest) -> LockedPipLine | None:
        """Give what is known of the same line over the same set, if all its wheels are."""
        for line in self._resolved_lines:
            if line.key == key:
                return msgspec.structs.replace(line, step=step)
        if self._kept is None:
            return None
        there = self._kept.known_wheels
        for line in self._kept.pip_lines:
            if line.key == key and there.keys() >= set(line.wheels) and self._still_fit(line, there, self._kept):
                self._taken |= {filename: there[filename] for filename in line.wheels}
                return msgspec.structs.replace(line, step=step, again=self._again(line.wheels))
        return None

    def _still_fit(self, line: LockedPipLine, there: Mapping[str, LockedWheel], kept: Decisions) -> bool:
        """Tell whether those of its wheels that were built are not of another base, and are had if an index has their
        source."""
        built = {build.wheel: build.source for build in kept.builds if build.wheel in line.wheels}
        return self._ground is None or all(
            self._ground.still_fits(there[name], kept)
            and (not isinstance(source, IndexSource) or (self._direct and self._direct.kept_file(there[name])))
            for name, source in built.items()
        )

    def _again(self, filenames: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in filenames if self._required.get(name) == self._taken[name].sha256)

    def _install(
        self,
        step: int,
        said: Said,
        key: Digest,
        before: Mapping[str, LockedWheel],
        sources: Mapping[PipRequirement, SourceLine],
    ) -> LockedPipLine:
        effect = said.effect
        check_line(said, before)
        neighbours = Neighbours(wheels=tuple(before.values()), address=self._locate)
        built, required = make_wheels(self._direct, effect, sources, neighbours, self._environment)
        if effect.installer == "mim":
            said = with_links(said, before, self._outlines)
            effect = said.effect
        indexes, pages = self._indexes.of(effect)
        taste = taste_of(effect)
        found = {} if effect.ignore_installed else before
        make = make_wheel_of(self._session, self._direct, said, neighbours, self._place(step))
        source = PipSource(
            self._session,
            found,
            pages,
            indexes,
            self._tags,
            self._environment,
            taste,
            self._outlines,
            self._elsewhere,
            neighbours,
            make,
        )
        command = Command(
            asked=tuple(asked(one, source, built) for one in effect.requirements),
            constraints=said.constraints,
            upgrade="to-satisfy-only" if not effect.upgrade else "eager" if effect.eager else "only-if-needed",
            dependencies=effect.dependencies,
            force=effect.force_reinstall,
            taste=taste,
            environment=self._environment,
            preferred={name: Version(wheel.version) for name, wheel in self._kept_wheels(step).items()},
            by_address={one.wheel.name: package_of(one) for one in required},
        )
        task = self._session.progress.task(told(effect), None, "resolve")
        try:
            with indexes.hiding():
                if effect.installer == "uv":
                    laid = self._laid_by_uv(step, said, command.asked, indexes, source, before, built)
                else:
                    laid = self._laid_by_pip(said, command, source, before, built, required)
        finally:
            task.done("resolved")
        self._taken |= {wheel.filename: wheel for wheel in laid}
        names = tuple(sorted(wheel.filename for wheel in laid))
        return LockedPipLine(step=step, key=key, wheels=names, again=self._again(names))

    def _laid_by_pip(
        self,
        said: Said,
        command: Command,
        source: PipSource,
        before: Mapping[str, LockedWheel],
        built: Mapping[PipRequirement, DirectWheel],
        required: Iterable[DirectWheel],
    ) -> list[LockedWheel]:
        own = {package_of(direct): direct.wheel for direct in (*built.values(), *required)}
        local = {package_of(direct) for one, direct in built.items() if one.tree or one.is_editable}
        named = {asked.package for asked in command.asked}
        solved = solve(command, source)
        if said.effect.installer == "mim":
            check_names(package.name for package in solved)
        chosen = [package for package in solved if is_laid(package, said.effect, before, local)]
        return [
            own.get(one) or source.locked(one, by_address=said.indexed or one in named, addresses=self._addresses)
            for one in chosen
        ]

    def _laid_by_uv(
        self,
        step: int,
        said: Said,
        asked: Sequence[Asked],
        indexes: Indexes,
        source: PipSource,
        before: Mapping[str, LockedWheel],
        built: Mapping[PipRequirement, DirectWheel],
    ) -> list[LockedWheel]:
        kept = self._kept_wheels(step)
        if not said.effect.upgrade:
            kept |= before
        found = uv_wheels(
            self._session,
            self._project,
            self._target,
            said,
            asked,
            indexes,
            tuple(kept.values()),
            tuple(built.values()),
        )
        if said.effect.dependencies:
            check_choice(found.wheels, asked, source, self._environment, keeps=not said.effect.upgrade)
        self._addresses |= found.addresses
        local = {direct.wheel.name for one, direct in built.items() if one.tree or one.is_editable}
        return [
            one
            for one in found.wheels
            if one.name not in before or before[one.name].version != one.version or one.name in local
        ]

    def _kept_wheels(self, step: int) -> dict[str, LockedWheel]:
        """Give what the lock has for a step, by name."""
        if self._kept is None:
            return {}
        there = self._kept.known_wheels
        found = (there[n] for line in self._kept.pip_lines if line.step == step for n in line.wheels if n in there)
        return {wheel.name: wheel for wheel in found}

    def _locate(self, wheel: LockedWheel) -> str:
        """Give the address of a wheel; of one that the lock has kept, the index of its line is asked."""
        if wheel.path is not None:
            return str(self._project.root / wheel.path)
        if wheel.sha256 not in self._addresses:
            if self._direct and (path := self._direct.kept_file(wheel)):
                return path.absolute().as_uri()
            found = self._indexes.address(wheel, self._effects, self._lines)
            if found is None:
                raise UnavailableError(
                    f"a package index no longer has {wheel.filename}, which the lock names",
                    next_step="configure the index that the lock was made with, or run cogpack lock --upgrade",
                )
            self._addresses[wheel.sha256] = found
        return self._addresses[wheel.sha256]


def _hashes(wheels: Iterable[LockedWheel]) -> list[tuple[str, str]]:
    return [(wheel.filename, wheel.sha256) for wheel in wheels]
