"""Wheels that pip lines laid are found again: each line's own indexes are asked, for its packages only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cogpack.lockfile import Decisions, LockedPipLine, LockedWheel
from cogpack.locking.lines.read import locked_lines
from cogpack.oci import encode
from cogpack.project import Project
from cogpack.requirements.model import Requirements
from cogpack.run_lines import PipInstall, PipUninstall, StepEffect
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.resolve.pip import Pages
    from cogpack.resolve.wheels.indexes import Indexes


class LineIndexes:
    """Gives where the packages of a line are looked for: what it says goes before what this machine says."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project
        self._known: dict[bytes, tuple[Indexes, Pages]] = {}

    def of(self, effect: PipInstall) -> "tuple[Indexes, Pages]":
        from cogpack.resolve.pip import Pages
        from cogpack.resolve.wheels.indexes import Indexes

        options = encode(effect.options)
        if options not in self._known:
            indexes = Indexes.from_environment(
                self._session.environment,
                Requirements(options=effect.options),
                self._project.root,
                url_map=self._session.http.url_map,
                relay=self._session.relay,
            )
            pages = Pages(self._session.http, indexes, self._project.config.pack.exclude_newer)
            self._known[options] = indexes, pages
        return self._known[options]

    def address(self, wheel: LockedWheel, effects: Sequence[StepEffect], lines: Sequence[LockedPipLine]) -> str | None:
        """Give where a wheel is that one of `lines` laid, a login in it; None where its index has none of this name."""
        steps = {line.step for line in lines if wheel.filename in line.wheels}
        for one in effects:
            if one.step in steps and isinstance(one.effect, PipInstall):
                indexes, pages = self.of(one.effect)
                if wheel.url is not None:
                    return indexes.authorised(wheel.url)
                if (found := pages.find(wheel.name, wheel.filename, wheel.sha256)) is not None:
                    return found
        return None


def lacks_pip_lines(effects: Sequence[StepEffect], decisions: Decisions) -> bool:
    """Tell whether one of `effects` is a pip line that was run when the lock was made."""
    pinned = {line.step for line in decisions.pip_lines}
    return any(isinstance(one.effect, PipInstall | PipUninstall) and one.step not in pinned for one in effects)


class PipWheels:
    """Finds the wheels of a lock that its pip lines laid, and nothing else did."""

    def __init__(self, session: Session, project: Project, decisions: Decisions) -> None:
        self._lines = decisions.pip_lines
        self._required = {wheel.filename for wheel in decisions.required}
        self._indexes = LineIndexes(session, project)
        self._effects = locked_lines(project.config, decisions).effects if decisions.pip_lines else ()

    def has(self, wheel: LockedWheel) -> bool:
        return wheel.filename not in self._required and any(wheel.filename in line.wheels for line in self._lines)

    def address(self, wheel: LockedWheel) -> str | None:
        return self._indexes.address(wheel, self._effects, self._lines)
