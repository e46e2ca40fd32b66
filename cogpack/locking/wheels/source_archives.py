"""Packages of which indexes have source archives alone are offered to uv, and built of the versions that it chooses."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from packaging.version import Version

from cogpack.cache.scratch import scratch_directory
from cogpack.disk import DiskError, writing
from cogpack.errors import InputError
from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import IndexSource, LockedBuild, LockedWheel
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.wheels.building import ANOTHER, Built, Ground, Source
from cogpack.locking.wheels.built import BuiltWheels, fetch_source, first_fetch
from cogpack.locking.wheels.elsewhere import ElsewhereWheels, FoundWheel
from cogpack.locking.wheels.members import member_marks
from cogpack.locking.wheels.outlines import local_reader
from cogpack.locking.wheels.stand_ins import StandIn, StandIns, required_lines
from cogpack.notes import Note
from cogpack.requirements.model import Requirements
from cogpack.resolve.pip import Offer, Pages, Taste, candidates
from cogpack.resolve.wheels.choice import named_hashes
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython

_KINDS = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".tar")
"""What can be unpacked, the best first."""
_PYTHONS = ("3.10", "3.11", "3.12", "3.13")
"""Those that a project may choose instead."""
_MOST = 10
"""Versions of one package that are built until one fits."""


class _Made(msgspec.Struct, frozen=True):
    """Is what a stand-in became. `build`: None of a wheel that was found."""

    wheel: LockedWheel
    build: LockedBuild | None = None
    requires: tuple[LockedWheel, ...] = ()


class SourceArchives:
    """Is the `Sources` of what indexes have.

    `ground`: None where nothing is to be built, and what only has source counts as if it were; `requirements`: where
    they name hashes for a package, its source has one of them.
    """

    def __init__(
        self,
        question: PlatformQuestion,
        requirements: Requirements,
        indexes: Indexes,
        target: TargetPython,
        ground: Ground | None,
        *,
        place: Path,
        elsewhere: ElsewhereWheels,
    ) -> None:
        assert question.building is not None
        self._question = question
        self._session = question.session
        self._building = question.building
        self._requirements = requirements
        self._hashes = named_hashes([*requirements.lines, *requirements.constraints])
        self._indexes = indexes
        self._pages = Pages(question.session.http, indexes, question.project.config.pack.exclude_newer)
        self._target = target
        self._tags = target.tags()
        self._ground = ground
        self._own = StandIns(place)
        self._elsewhere = elsewhere
        self._kept: BuiltWheels | None = None
        self._looked_up: set[str] = set()
        self._made: dict[str, _Made] = {}
        self._of_lock: dict[str, _Made] = {}
        self._tries: Counter[str] = Counter()
        self.notes: list[Note] = []

    def keep(self) -> None:
        """Offer what was built when the lock was made, where it still fits and its source has a hash that is named."""
        project, kept = self._question.project, self._question.kept
        if kept is None or self._ground is None:
            return
        self._kept = BuiltWheels(self._session, project, kept, self._building, self._ground, lambda: self._pages)
        wheels = {wheel.filename: wheel for wheel in kept.required}
        directory = self._own.new_directory()
        for wheel in self._elsewhere.kept:
            self._own.add(directory, wheel.name, Version(wheel.version), wheel)
        requirements = {wheel.filename: wheel for wheel in kept.build_requirements}
        for build in kept.builds:
            source, built = build.source, wheels.get(build.wheel)
            if built is None or not isinstance(source, IndexSource):
                continue
            if not self._ground.still_fits(built, kept):
                continue
            if source.sha256 in self._hashes.get(built.name, {source.sha256}):
                self._of_lock[built.sha256] = _Made(built, build, tuple(requirements[name] for name in build.requires))
                self._own.add(directory, built.name, Version(built.version), built)

    @property
    def directories(self) -> Sequence[str]:
        return self._own.directories

    def offer(self, names: Sequence[str]) -> bool:
        found = 0
        directory = self._own.new_directory()
        for name in set(names) - self._looked_up:
            self._looked_up.add(name)
            there = self._versions(name)
            for version, offer in self._archives(name).items():
                if version not in there:
                    self._own.add(directory, name, version, offer)
                    found += 1
        return bool(found)

    def _versions(self, name: str) -> set[Version]:
        """Give those that are there already, as stand-ins or made."""
        there = {one.version for one in self._own.all() if one.name == name}
        return there | {Version(made.wheel.version) for made in self._made.values() if made.wheel.name == name}

    def _archives(self, name: str) -> dict[Version, Offer]:
        """Give the source of each version that has no wheel for the target."""
        python = self._target.environment()["python_full_version"]
        offers = self._pages.first_offers(name)
        found: dict[Version, Offer] = {}
        wheels: set[Version] = set()
        for one in candidates(name, offers, tags=self._tags, python=python, taste=Taste()):
            offer = one.offer
            if one.is_wheel:
                wheels.add(one.version)
            elif not offer.yanked and self._may_be(name, offer.sha256):
                before = _rank(found[one.version]) if one.version in found else len(_KINDS)
                if _rank(offer) < before:
                    found[one.version] = offer
        return {version: offer for version, offer in found.items() if version not in wheels}

    def _may_be(self, name: str, sha256: str | None) -> bool:
        return sha256 is None or name not in self._hashes or sha256 in self._hashes[name]

    def build(self, chosen: Collection[str], neighbours: Callable[[], Neighbours]) -> Mapping[str, InputError] | None:
        found = self._own.chosen(chosen)
        if not found or self._ground is None:
            return None
        there = neighbours()
        stand_ins = self._own.hashes
        real = tuple(wheel for wheel in there.wheels if wheel.sha256 not in stand_ins)
        there = msgspec.structs.replace(there, wheels=real)
        failed: dict[str, InputError] = {}
        sources: list[tuple[StandIn, IndexSource, Source]] = []
        for one in found:
            self._tries[one.name] += 1
            try:
                if self._tries[one.name] > _MOST:
                    raise self.why_not(one.name) or _none_fits(one)
                if (wheel := self._elsewhere.find(one.name, one.version, there, self._hashes)) is not None:
                    self._take_found(one, wheel)
                    continue
                if self._elsewhere.is_alone(one.name):
                    self._own.drop(one)
                    continue
                if isinstance(one.origin, LockedWheel) and one.origin.sha256 not in self._of_lock:
                    self._offer_source(one)
                    continue
                if isinstance(one.origin, LockedWheel):
                    made = self._of_lock[one.origin.sha256]
                    if there.fit(made.wheel, made.requires):
                        assert self._kept is not None
                        self._take(one, made, self._kept.bring(made.wheel))
                        continue
                pin, path = self._fetched(one)
                source = Source(
                    title=one.title,
                    path=path,
                    name=one.name,
                    version=str(one.version),
                    neighbours=there,
                    isolated=self._requirements.isolates(one.name),
                )
                sources.append((one, pin, source))
            except DiskError:
                raise
            except InputError as error:
                failed[one.name] = error
        try:
            answers = self._building.builder.build([source for _, _, source in sources], self._ground)
        except DiskError:
            raise
        except InputError as error:  # nothing can be built
            answers = [
                InputError(f"{source.title}: {error.message}", next_step=error.next_step) for _, _, source in sources
            ]
        for (one, pin, _), answer in zip(sources, answers, strict=True):
            if isinstance(answer, InputError):
                failed[one.name] = self._with_missed(one.name, self._with_pythons(one, answer))
            else:
                self.notes += answer.notes
                self._take(one, _made(one, pin, answer), answer.path)
        return failed

    def _offer_source(self, stand_in: StandIn) -> None:
        """Offer the source of what was found for the lock, and is found no more. One that was not looked up will be."""
        self._own.drop(stand_in)
        name, version = stand_in.name, Version(stand_in.version.public)
        if name not in self._looked_up or version in self._versions(name):
            return
        if offer := self._archives(name).get(version):
            self._own.add(self._own.new_directory(), name, version, offer)

    def _with_missed(self, name: str, error: InputError) -> InputError:
        """Tell, of a source that can't be built, why there is no wheel of it either."""
        missed = self.why_not(name)
        if missed is None:
            return error
        return InputError(
            f"{missed.message}; of its source: {error.message}", next_step=f"{error.next_step}; or {missed.next_step}"
        )

    def _with_pythons(self, stand_in: StandIn, error: InputError) -> InputError:
        """Tell for which other Pythons the version has a wheel: a project is often of one of these."""
        if "python_version" in error.next_step or not isinstance(stand_in.origin, Offer):
            return error
        offers = list(self._pages.first_offers(stand_in.name))
        found = [python for python in _PYTHONS if self._has_wheel(stand_in, offers, python)]
        if not found:
            return error
        advice = f"set build.python_version to {' or '.join(found)}, for which it has a wheel"
        both = (advice, error.next_step) if error.next_step == ANOTHER else (error.next_step, advice)
        return InputError(error.message, next_step="; or ".join(both))

    def _has_wheel(self, stand_in: StandIn, offers: Sequence[Offer], python: str) -> bool:
        target = msgspec.structs.replace(self._target, python=python)
        full = target.environment()["python_full_version"]
        found = candidates(stand_in.name, offers, tags=target.tags(), python=full, taste=Taste())
        return any(one.is_wheel and one.version == stand_in.version for one in found)

    def _take(self, stand_in: StandIn, made: _Made, path: Path) -> None:
        """Put the wheel in place of its stand-in, and let the package's others require the same: uv would prefer any
        version of which it knows nothing to one that does not fit with the newest of all others."""
        directory = self._own.new_directory()
        with writing(directory):
            (directory / made.wheel.filename).symlink_to(path)
        self._own.drop(stand_in)
        self._elsewhere.missed.pop(stand_in.name, None)
        self._made[made.wheel.sha256] = made
        if self._own.may_assume(stand_in.name):
            outline = Outline(made.wheel.filename, *local_reader(path))
            self._own.assume(stand_in.name, required_lines(outline.metadata()))

    def _take_found(self, stand_in: StandIn, found: FoundWheel) -> None:
        """Put one that says what a wheel requires in place of another stand-in: the wheel itself need not be here."""
        wheel = found.wheel
        sha256 = self._own.replace(stand_in, Version(wheel.version), required_lines(found.metadata))
        self._made[sha256] = _Made(wheel)
        self.notes += [found.note] if found.note else []

    def why_not(self, name: str) -> InputError | None:
        return self._elsewhere.missed.get(name)

    def relax(self) -> bool:
        return self._own.relax()

    def _fetched(self, stand_in: StandIn) -> tuple[IndexSource, Path]:
        """Bring the source here; one of which nobody says the hash is what comes now."""
        if isinstance(stand_in.origin, LockedWheel):
            build = self._of_lock[stand_in.origin.sha256].build
            assert build is not None
            pin = build.source
            assert isinstance(pin, IndexSource)
            return pin, fetch_source(self._session, self._pages, stand_in.name, pin)
        address = self._indexes.authorised(stand_in.origin.url)
        pin, path = first_fetch(self._session, stand_in.title, stand_in.origin, address)
        if not self._may_be(stand_in.name, pin.sha256):
            raise InputError(
                f"{stand_in.title}: {pin.filename} has sha256:{pin.sha256}, which is none of the hashes named for it",
                next_step="if this is the file you mean, add its hash; if not, find out who changed it",
            )
        return pin, path

    def built(self, sha256: str) -> LockedWheel | None:
        return self._made[sha256].wheel if sha256 in self._made else None

    def builds_of(self, wheels: Sequence[LockedWheel]) -> tuple[tuple[LockedBuild, ...], tuple[LockedWheel, ...]]:
        """Tell how those of `wheels` were built that were, and the wheels that this took."""
        made = [self._made[wheel.sha256] for wheel in wheels if wheel.sha256 in self._made]
        requires = {wheel.filename: wheel for one in made for wheel in one.requires}
        return tuple(one.build for one in made if one.build), tuple(requires[name] for name in sorted(requires))


def _none_fits(stand_in: StandIn) -> InputError:
    return InputError(
        f"{stand_in.name}: {_MOST} of its versions were built, and none fits what else is required",
        next_step=f"name a version of {stand_in.name} that does, or give more room to what it requires",
    )


def _rank(offer: Offer) -> int:
    """Give the place of its kind among those that can be unpacked."""
    name = offer.filename.lower()
    return next((rank for rank, end in enumerate(_KINDS) if name.endswith(end)), len(_KINDS))


def _made(stand_in: StandIn, source: IndexSource, built: Built) -> _Made:
    wheel = LockedWheel(
        name=stand_in.name,
        version=str(stand_in.version),
        filename=built.filename,
        sha256=built.sha256,
        size=built.size,
    )
    build = LockedBuild(
        wheel=built.filename,
        source=source,
        requires=tuple(one.filename for one in built.requires),
        members=member_marks(built.path),
        compiled=built.compiled,
    )
    return _Made(wheel, build, built.requires)


@contextmanager
def open_sources(
    question: PlatformQuestion,
    requirements: Requirements,
    indexes: Indexes,
    target: TargetPython,
    ground: Ground | None,
) -> Iterator[SourceArchives | None]:
    """Have them while uv is asked, with what was built for the lock that is kept; None where nobody builds."""
    if question.building is None:
        yield None
        return
    required = question.kept.required if question.kept else ()
    with scratch_directory(question.session.cache, "sources-") as place:
        elsewhere = ElsewhereWheels(question.session, question.project, target, required)
        sources = SourceArchives(question, requirements, indexes, target, ground, place=place, elsewhere=elsewhere)
        sources.keep()
        yield sources
