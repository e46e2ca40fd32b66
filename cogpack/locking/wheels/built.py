"""A wheel that was built of a source is had again: of the cache, the registry, or built anew of what the lock pins."""

from collections.abc import Callable
from pathlib import Path

from cogpack.artifacts import Artifact
from cogpack.digest import Digest
from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.lockfile import FILE, Decisions, IndexSource, LockedBuild, LockedWheel
from cogpack.locking.wheels.building import Building, Built, Ground, Source
from cogpack.locking.wheels.members import differing_members
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.resolve.pip import Pages
from cogpack.session import Session

_NAMED = 5
"""Files that are named of those that differ."""


class BuiltWheels:
    """Has the wheels of `decisions` that were built. `pages`: what indexes offer, asked where a source is fetched."""

    def __init__(
        self,
        session: Session,
        decisions: Decisions,
        building: Building,
        ground: Ground,
        pages: Callable[[], Pages],
    ) -> None:
        self._session = session
        self._building = building
        self._ground = ground
        self._pages = pages
        self._builds = {build.wheel: build for build in decisions.builds}
        self._requirements = {wheel.filename: wheel for wheel in decisions.build_requirements}

    def has(self, wheel: LockedWheel) -> bool:
        return wheel.filename in self._builds

    def bring(self, wheel: LockedWheel) -> Path:
        """Give its file. `MismatchError` where what is built now is another one."""
        if found := self._session.store.find(wheel_artifact(wheel)) or self._building.pushed(wheel):
            return found
        build = self._builds[wheel.filename]
        title = f"{wheel.name} {wheel.version}"
        try:
            source = self._source(wheel, build)
            requires = [self._requirements[name] for name in build.requires]
            built = self._building.builder.rebuild(source, requires, self._ground)
        except (DeniedError, InputError, UnavailableError) as error:
            error.message = (
                f"{title}: neither cache nor registry has the wheel that {FILE} names, and it can't be built again: "
                f"{error.message}"
            )
            raise
        if built.sha256 != wheel.sha256:
            raise _another(title, wheel, build, built)
        return built.path

    def _source(self, wheel: LockedWheel, build: LockedBuild) -> Source:
        title = f"{wheel.name} {wheel.version}"
        match build.source:
            case IndexSource() as source:
                path = fetch_source(self._session, self._pages(), wheel.name, source)
                return Source(title=title, path=path, name=wheel.name, version=wheel.version)
            case other:
                raise InputError(f"{title}: sources such as {other} are not fetched again yet", next_step="lock anew")


def fetch_source(session: Session, pages: Pages, name: str, source: IndexSource) -> Path:
    """Fetch a source archive, unless it is here. `UnavailableError` where no index has it any more."""

    def addresses() -> list[str]:
        found = pages.find(name, source.filename, source.sha256)
        return [found] if found else []

    artifact = Artifact(source.filename, Digest(f"sha256:{source.sha256}"), source.size, f"source of {name}")
    return session.store.verified(artifact, addresses)[0]


def _another(title: str, wheel: LockedWheel, build: LockedBuild, built: Built) -> MismatchError:
    others, gone = differing_members(built.path, build.members)
    named = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
    told = [f"{named} differ" if named else "", f"{gone} of its files are gone" if gone else ""]
    return MismatchError(
        f"{title}: built again of {build.source}, it is sha256:{built.sha256}, and {FILE} pins sha256:{wheel.sha256}: "
        + (" and ".join(filter(None, told)) or "the same files in another archive"),
        next_step=f"push from a machine that has the wheel, or build it anew: cogpack lock -P {wheel.name}",
    )
