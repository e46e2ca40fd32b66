"""How the contents of layers are had: packages and wheels from their servers, files from the project."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

from cogpack.artifacts import Artifact
from cogpack.config import Config
from cogpack.layers.content import LocalFile, Stat
from cogpack.layers.files import Placed, drain
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.probe import PROFILE, probe_local
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.bases import DebianBase, LockedDeb
from cogpack.locking.clashes import wheel_artifact
from cogpack.locking.maintainer_scripts import deb_artifact
from cogpack.locking.managed import shown
from cogpack.locking.requirements import indexes_of
from cogpack.oci import Descriptor, Platform
from cogpack.planning.bases import BaseSupply
from cogpack.planning.plan import Suppliers
from cogpack.project import Project, ProjectFile
from cogpack.reference import Reference
from cogpack.resolve.debs import Mirror, deb_urls
from cogpack.resolve.wheels import Indexes, TargetPython, wheel_urls
from cogpack.session import Session
from cogpack.text import count_text


def suppliers(
    session: Session,
    project: Project,
    config: Config,
    decisions: Decisions,
    local: Callable[[ProjectFile], Fingerprinted],
    fingerprints: Fingerprints,
) -> Suppliers:

    def read(file: Placed) -> None:
        """Two weights may be equal; who has them for the first time has to look."""
        task = session.progress.task(f"{WEIGHTS}{shown(file.path)}", file.content.size, "compare")
        drain(file, task.advance)
        task.done("compared")

    return Suppliers(
        base=BaseSupply(
            packages=lambda base: _Debs(session, config, base).file,
            blob=partial(_blob, session),
            spool=session.cache,
            progress=session.progress,
            cancellation=session.cancellation,
        ),
        wheel=_Wheels(session, project, decisions).file,
        file=local,
        part=fingerprints.when_read,
        probe=lambda content, header: int(
            fingerprints.remember(content, PROFILE, lambda: str(probe_local(content, header)))
        ),
        read=read,
    )


class _Debs:
    """Locked packages, fetched all at once when the first is asked for: they make one layer."""

    def __init__(self, session: Session, config: Config, base: DebianBase) -> None:
        self._session = session
        self._config = config
        self._base = base
        self._lock = threading.Lock()
        self._complete = False

    def file(self, deb: LockedDeb) -> LocalFile:
        with self._lock:
            if not self._complete:
                self._fetch_all()
                self._complete = True
        return _verified(self._session, deb_artifact(deb), lambda: self._urls(deb))

    def _fetch_all(self) -> None:
        store = self._session.store
        missing = [deb for deb in self._base.packages if store.find(deb_artifact(deb)) is None]
        if not missing:
            return
        task = self._session.progress.task(
            count_text(len(missing), "Debian package"), sum(deb.size for deb in missing), "fetch"
        )
        with ThreadPoolExecutor(8, thread_name_prefix="deb") as pool:
            list(pool.map(lambda deb: store.fetch(deb_artifact(deb), lambda: self._urls(deb), task), missing))
        task.done("fetched")

    def _urls(self, deb: LockedDeb) -> list[str]:
        mirror = Mirror.choose(self._config.pack.debian_mirror, self._session.environment)
        return deb_urls(deb, mirror, self._base)


def _verified(session: Session, artifact: Artifact, urls: Callable[[], Iterable[str]]) -> LocalFile:
    session.cancellation.check()  # a layer of many packages opens one after the other before its first byte
    path, found = session.store.verified(artifact, urls)
    return LocalFile(path, Stat.from_result(found))


class _Wheels:
    """Locked wheels; the index is asked once, for all that are not here."""

    def __init__(self, session: Session, project: Project, decisions: Decisions) -> None:
        self._session = session
        self._project = project
        self._decisions = decisions
        self._lock = threading.Lock()
        self._urls: dict[str, list[str]] | None = None

    @cached_property
    def _indexes(self) -> Indexes:
        return indexes_of(self._session, self._project, self._project.requirements())

    def file(self, wheel: LockedWheel) -> LocalFile:
        with self._indexes.hiding():
            return _verified(self._session, wheel_artifact(wheel), lambda: self._places(wheel))

    def _places(self, wheel: LockedWheel) -> list[str]:
        if wheel.path is not None:
            return [str(self._project.root / wheel.path)]
        if wheel.url is not None:
            return [self._indexes.authorised(wheel.url)]
        with self._lock:
            if self._urls is None:
                base = self._decisions.base
                platform = Platform.parse(self._project.config.pack.platform)
                missing = [
                    wheel
                    for wheel in self._decisions.wheels
                    if wheel.path is None
                    and wheel.url is None
                    and self._session.store.find(wheel_artifact(wheel)) is None
                ]
                self._urls = wheel_urls(
                    missing,
                    indexes=self._indexes,
                    target=TargetPython(python=base.python, glibc=base.glibc, arch=platform.architecture),
                    cache=self._session.cache,
                    metadata=self._session.metadata,
                )
            return self._urls.get(wheel.sha256, [])


def _blob(session: Session, reference: Reference, descriptor: Descriptor) -> Iterator[bytes]:
    with session.repository(reference).blob(descriptor) as blocks:
        yield from blocks
