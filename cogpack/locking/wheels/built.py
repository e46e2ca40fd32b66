"""A wheel that was built of a source is had again: of the cache, the registry, or built anew of what the lock pins."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cogpack.artifacts import Artifact, Input, NotAFileError, bring
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.lockfile import Decisions, IndexSource, LockedBuild, LockedWheel
from cogpack.locking.sources.bring import Sources
from cogpack.locking.wheels.building import Building, Built, Ground, Source
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.project import Project
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.resolve.pip import Offer, Pages


class BuiltWheels:
    """Has the wheels of `decisions` that were built. `pages`: what indexes offer, asked where a source is fetched."""

    def __init__(
        self,
        session: Session,
        project: Project,
        decisions: Decisions,
        building: Building,
        ground: Ground,
        pages: "Callable[[], Pages]",
    ) -> None:
        self._session = session
        self._sources = Sources(session, project)
        self._building = building
        self._ground = ground
        self._pages = pages
        self._builds = {build.wheel: build for build in decisions.builds}
        self._requirements = {wheel.filename: wheel for wheel in decisions.build_requirements}

    def has(self, wheel: LockedWheel) -> bool:
        return wheel.filename in self._builds

    def bring(self, wheel: LockedWheel) -> Path:
        """Give its file. `MismatchError` where what is built now is another one."""
        from cogpack.locking.wheels.rebuilt import built_again

        if found := self._session.store.find(wheel_artifact(wheel)) or self._building.pushed(wheel):
            return found
        build = self._builds[wheel.filename]
        return built_again(wheel, build, partial(self._built_again, wheel, build))

    def _built_again(self, wheel: LockedWheel, build: LockedBuild) -> Built:
        from cogpack.cache.scratch import scratch_directory
        from cogpack.locking.sources.direct import finished, source_of

        requires = [self._requirements[name] for name in build.requires]
        for one in filter(self.has, requires):
            self.bring(one)
        pin, name, version = build.source, wheel.name, wheel.version
        with scratch_directory(self._session.cache, "source-") as scratch:
            if isinstance(pin, IndexSource):
                path = fetch_source(self._session, self._pages(), name, pin)
                source = Source(title=f"{name} {version}", path=path, name=name, version=version)
            else:
                path = self._sources.bring(pin, scratch / "tree")
                source = source_of(pin, path, name=name, version=version)
            ground = self._ground.of_build(build)
            return finished(self._session, pin, source, self._building.builder.rebuild(source, requires, ground))


def first_fetch(session: Session, title: str, offer: "Offer", address: str) -> tuple[IndexSource, Path]:
    """Bring a source archive that an index offers at `address`; one of which nobody says the hash is what comes now."""
    if offer.sha256 is not None:
        artifact = Artifact(offer.filename, Digest(f"sha256:{offer.sha256}"), offer.size, f"source of {title}")
    elif urlsplit(address).scheme == "file":
        data = Path(unquote(urlsplit(address).path)).read_bytes()
        artifact = session.store.take(offer.filename, [data])
    else:
        try:
            artifact = bring(session.store, session.http, address, redirects=True).artifact
        except NotAFileError as error:
            raise InputError(
                f"{title}: {offer.filename}: {error}", next_step="tell the operator of the package index"
            ) from error
    path = session.store.verified(artifact, lambda: [address])[0]
    sha256 = artifact.digest.removeprefix("sha256:")
    return IndexSource(filename=offer.filename, sha256=sha256, size=path.stat().st_size), path


def fetch_source(session: Session, pages: "Pages", name: str, source: IndexSource) -> Path:
    """Fetch a source archive, unless it is here. `UnavailableError` where no index has it any more."""
    return Path(source_input(session, pages, name, source).file().path)


def source_input(session: Session, pages: "Pages", name: str, source: IndexSource) -> Input:
    """Say how a source archive is had that indexes have."""

    def addresses() -> list[str]:
        found = pages.find(name, source.filename, source.sha256)
        return [found] if found else []

    artifact = Artifact(source.filename, Digest(f"sha256:{source.sha256}"), source.size, f"source of {name}")
    return Input(supply=session.supply, artifact=artifact, noun="source", urls=addresses)
