"""What is required becomes locked wheels."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from cogpack.config.model import PLAIN_TORCH_INDEX
from cogpack.disk import DiskError
from cogpack.errors import InputError, UnavailableError, together
from cogpack.lockfile import LockedBuild, LockedWheel
from cogpack.notes import Note
from cogpack.progress import SILENT, Progress
from cogpack.resolve.wheels.chosen import ChosenWheels, hashes_of
from cogpack.resolve.wheels.compile import Uv, WheelQuestion, way_to
from cogpack.resolve.wheels.elsewhere import is_elsewhere
from cogpack.resolve.wheels.failures import AddressDeniedError, AddressError, BlamedError
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.local import for_uv
from cogpack.resolve.wheels.sources import Sources
from cogpack.resolve.wheels.torch import BUILT

if TYPE_CHECKING:
    from packaging.pylock import Package

_MOST_FAULTS = 32
"""Runs of uv, less than a second each, to find all that must change."""


class Resolved(msgspec.Struct, frozen=True):
    """Holds `wheels` by name; `addresses`: where each was found, by its sha256, with credentials: not to be shown or
    kept.

    `notes`: what one should know of what was chosen; `torch_index`: where torch is from, where there is one; `builds`
    and `build_requirements`: as in `Decisions`.
    """

    wheels: tuple[LockedWheel, ...]
    addresses: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    torch_index: str | None = None
    builds: tuple[LockedBuild, ...] = ()
    build_requirements: tuple[LockedWheel, ...] = ()


def resolve_wheels(
    question: WheelQuestion, uv: Uv, *, sources: Sources | None = None, title: str = "", progress: Progress = SILENT
) -> Resolved:
    """Choose the wheels that answer `question`. Where a line names hashes, the wheel has one of them. Which packages
    are PyTorch's is found here. `sources`: what there is of packages that only have source; `title`: what the user is
    told that is resolved.

    `InputError` when nothing fits, or only source is there and can't be built, of all packages together that are at
    fault alone; `UnavailableError` and `DeniedError` from the indexes.
    """
    task = progress.task(title or f"wheels for Python {uv.target.python}", None, "resolve")
    search = _Search(question, uv, sources)
    packages, notes = search.run()
    found = search.wheels(packages)
    task.done("resolved")
    return Resolved(
        tuple(sorted((wheel for wheel, _ in found), key=lambda wheel: wheel.name)),
        {wheel.sha256: uv.indexes.authorised(address) for wheel, address in found if address},
        (*search.left_out, *notes),
    )


def pins_of(wheels: Iterable[LockedWheel]) -> dict[str, str]:
    """Give the versions of those that are found again by name and version."""
    return {
        wheel.name: wheel.version
        for wheel in wheels
        if not wheel.path and (not wheel.url or is_elsewhere(wheel.name, Version(wheel.version)))
    }


class _Search:
    """Asks uv until it has an answer, or until all that must change is known: a run of it tells of one fault, and a
    project may have many. A package that is at fault counts as not required by the next.

    `left_out` are notes of those that were `optional`.
    """

    def __init__(self, question: WheelQuestion, uv: Uv, sources: Sources | None) -> None:
        self._uv = uv
        self._torch = uv.indexes.torch
        self._lines = [uv.indexes.expanded(for_uv(line, question.root)) for line in question.requirements]
        of_torch = self._torch.names(self._lines, uv.target.environment()) if self._torch else ()
        self._question = msgspec.structs.replace(question, of_torch=of_torch)
        self._chosen = ChosenWheels(question, uv, sources)
        self._optional = dict(question.optional)
        self._sources = sources
        self._faults: list[InputError] = []
        self.left_out: list[Note] = []

    def run(self) -> "tuple[list[Package], list[Note]]":
        """Give what uv chose in the end, and what it warned of. `InputError` of all faults that uv tells of."""
        while True:
            try:
                packages, notes = self._asked().compile(self._question_now())
                if not self._widen_torch(packages) and not self._build(packages):
                    return packages, [Note(note.code, self._placed(note.text)) for note in notes]
            except BlamedError as error:
                self._blame(error)
            except DiskError:
                raise
            except InputError as error:
                relaxed = self._sources is not None and self._sources.relax()
                if not relaxed and not self._leave_out(tuple(self._optional)):
                    raise together([*self._faults, self._at(error)]) from error
            except (AddressError, AddressDeniedError) as error:
                raise type(error)(self._placed(error.message), next_step=error.next_step) from error
            except UnavailableError as error:
                raise _torch_away(error, self._uv.indexes) from error

    def wheels(self, packages: "Iterable[Package]") -> list[tuple[LockedWheel, str | None]]:
        """Give the wheel of each, and where it was found. `InputError` of these and of what `run` left out."""
        found = []
        for package in packages:
            try:
                found.append(self._chosen.wheel(package))
            except InputError as error:
                self._faults.append(self._at(error))
        if self._faults:
            raise together(self._faults)
        return found

    def _asked(self) -> Uv:
        if not self._sources:
            return self._uv
        indexes = self._uv.indexes.with_directories(self._sources.directories)
        return msgspec.structs.replace(self._uv, indexes=indexes)

    def _question_now(self) -> WheelQuestion:
        return msgspec.structs.replace(self._question, requirements=[*self._lines, *self._optional])

    def _widen_torch(self, packages: "Iterable[Package]") -> bool:
        """Ask PyTorch's index from now on for what others require of it; tell whether there was any more."""
        of_torch = set(self._question.of_torch)
        required = {canonicalize_name(one.name) for one in packages if one.archive is None} & BUILT
        if self._torch is None or required <= of_torch:
            return False
        self._question = msgspec.structs.replace(self._question, of_torch=sorted(of_torch | required))
        return True

    def _build(self, packages: "Sequence[Package]") -> bool:
        """Put wheels in place of stand-ins that were chosen, but where none can be built; tell whether any was."""
        neighbours = partial(self._chosen.neighbours, packages)
        failed = self._sources.build(hashes_of(packages), neighbours) if self._sources else None
        if failed:
            via: Mapping[str, Sequence[str]] = {}
            versions: dict[str, str] = {one.name: str(one.version) for one in packages if one.version}
            with suppress(UnavailableError):  # what failed is told all the same
                via = self._asked().requirers(self._question_now(), versions)
            self._faults += (self._at(error, way_to(name, via)) for name, error in failed.items())
            self._forget(failed)
        return failed is not None

    def _blame(self, error: BlamedError) -> None:
        """Have the next run find what else is wrong, or raise what was."""
        if self._leave_out(error.packages):
            return  # who else requires one is told then
        sources = self._sources
        new = [name for name in error.packages if name not in self._question.without]
        if new and sources and (sources.offer(new) or sources.relax()):
            return
        known = [why for name in new if sources and (why := sources.why_not(name))]
        self._faults += map(self._at, known or [self._beside(error)])
        self._forget(new)
        if not new or len(self._faults) == _MOST_FAULTS:
            raise together(self._faults) from error

    def _beside(self, error: BlamedError) -> InputError:
        """Tell which versions there are, where one is asked for that there is not."""
        if error.missing is None:
            return error
        name, version = error.missing
        try:
            asked = Version(version)
        except InvalidVersion:  # 1.*, or what === takes
            return error
        below = "<=" if asked.local else "<"  # which are compared without a local part, and allow none (PEP 440)
        wishes = ((f"{name}{below}{asked.public}", False), (f"{name}>{asked.public}", True), (name, False))
        found = list(dict.fromkeys(one for wish, oldest in wishes if (one := self._one(wish, oldest=oldest))))
        if not found:
            return error
        target = self._uv.target
        return InputError(
            f"{name}=={version}: there is no such version for Python {target.python} and {target.machine}",
            next_step=f"name one that there is, such as {' or '.join(found)}",
        )

    def _one(self, requirement: str, *, oldest: bool) -> str | None:
        """Give the newest version that fits a requirement, or the oldest."""
        wanted = canonicalize_name(Requirement(requirement).name)
        of_torch = [name for name in self._question.of_torch if name == wanted]
        question = WheelQuestion(requirements=[requirement], of_torch=of_torch, dependencies=False, oldest=oldest)
        with suppress(InputError, UnavailableError):  # what is missing is told all the same
            packages, _ = self._asked().compile(question)
            return next((str(one.version) for one in packages if one.version), None)
        return None

    def _leave_out(self, names: Iterable[str]) -> bool:
        found = [self._optional.pop(name) for name in names if name in self._optional]
        self.left_out += found
        return bool(found)

    def _forget(self, names: Iterable[str]) -> None:
        self._question = msgspec.structs.replace(self._question, without=[*self._question.without, *names])

    def _at(self, error: InputError, way: str = "") -> InputError:
        return InputError(self._placed(way + error.message), next_step=error.next_step)

    def _placed(self, text: str) -> str:
        """Begin `text` with the lines that it is about; below its own line is what others said."""
        lines = ", ".join(self._question.places(text.partition("\n")[0]))
        return f"{lines}: {text}" if lines else text


def _torch_away(error: UnavailableError, indexes: Indexes) -> UnavailableError:
    if indexes.torch is None or indexes.torch.address not in error.message:
        return error
    return UnavailableError(
        error.message,
        next_step="reach it, or a copy of it by COGPACK_URL_MAP; or take torch from where all other packages come "
        f"from: cogpack: {{torch_index: {PLAIN_TORCH_INDEX}}} in cog.yaml",
    )
