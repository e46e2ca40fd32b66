"""What plan, build, push, load and verify begin with: project, lock, schema, plan."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import msgspec
from blake3 import blake3

from cogpack.artifacts import Artifact
from cogpack.commands.clashes import wheel_artifact
from cogpack.commands.gather import Gathered, gather
from cogpack.commands.lock import current_lock, is_pinned
from cogpack.commands.maintainers import deb_artifact
from cogpack.commands.managed import shown
from cogpack.commands.marks import check_marks, read_marks
from cogpack.commands.requirements import indexes_of, python_minor
from cogpack.commands.session import Session
from cogpack.commands.unsupported import refuse_unsupported
from cogpack.config import Config
from cogpack.disk import check_writable
from cogpack.layers.built import BlobSource
from cogpack.layers.content import LocalFile, Stat
from cogpack.layers.files import Placed, drain
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.probe import PROFILE, probe_local
from cogpack.lock import Decisions, Lock, LockedDeb, LockedWheel
from cogpack.oci import Descriptor, Platform
from cogpack.plan import Plan, Suppliers, make_plan
from cogpack.project import Project, ProjectFile, find_project
from cogpack.reference import Reference
from cogpack.resolve.debs import Mirror, deb_urls
from cogpack.resolve.wheels import Indexes, Target, wheel_urls
from cogpack.runtime.schema import Described, describe
from cogpack.text import count_text


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """`pinned`: the lock was there and is not to be touched."""

    project: Project
    lock: Lock
    plan: Plan
    schema: bytes
    fingerprints: Fingerprints
    gathered: Gathered
    pinned: bool


def package_sizes(prepared: Prepared) -> dict[str, int]:
    """Bytes of the wheels or Debian packages of a layer, by its key."""
    decisions = prepared.lock.platforms[prepared.project.config.pack.platform]
    sizes = {wheel.filename: wheel.size or 0 for wheel in decisions.wheels}
    found = dict.fromkeys((key for key, _ in prepared.plan.wheels), 0)
    for key, wheel in prepared.plan.wheels:
        found[key] += sizes[wheel.filename]
    if decisions.debian and found:  # a plan of the weights alone has neither
        found[prepared.plan.layers[0].key] = sum(deb.size for deb in decisions.debian.packages)
    return found


def open_project(session: Session, *, outputs: Sequence[Path] = ()) -> Project:
    """Find and read the project; refuse what this version can't pack yet, before any work.

    `outputs`: what the command is to write, which is left out where it lies in the project.
    """
    project = find_described(session, outputs=outputs)
    refuse_unsupported(project.config)
    return project


def find_described(session: Session, *, outputs: Sequence[Path] = ()) -> Project:
    """Find and read the project, whether this version can pack it or not."""
    settings = session.settings
    log = session.environment.get("COGPACK_LOG")  # grows while the project is read
    written = [*outputs, *settings.outputs, *([Path(log)] if log else [])]
    project = find_project(settings.directory, settings.file, outputs=written, cache=settings.cache)
    if platform := settings.platform:
        pack = msgspec.structs.replace(project.config.pack, platform=platform)
        project = msgspec.structs.replace(project, config=msgspec.structs.replace(project.config, pack=pack))
    session.notes.policy.project = project.config.pack.notes
    session.settings.machine.check_base(project.config)
    for note in project.config.notes:
        session.progress.note(note)
    return project


def describe_project(project: Project, *, sdk_version: str, python: str) -> Described:
    """The OpenAPI document of the model, from its source."""
    major, _, minor = python.partition(".")
    return describe(
        project.source,
        predict=project.config.predict,
        train=project.config.train,
        version=sdk_version,
        python=(int(major), int(minor)),
    )


def check_predictor(project: Project) -> None:
    """Before resolving: a mistake in the predictor should not cost a resolve to learn of."""
    describe_project(project, sdk_version="", python=python_minor(project.config))


def prepare(session: Session, project: Project, *, writes: bool) -> Prepared:
    """Who `writes` may leave a new lock in the project, and what the layers came out as."""
    config = project.config
    check_predictor(project)
    for note in project.notes():  # a mistake in the files, too
        session.progress.note(note)
    check_marks(session, project)
    for path in session.settings.outputs:
        check_writable(path)
    session.notes.check()
    pinned = is_pinned(session, project)
    lock = current_lock(session, project, writes=writes)
    decisions = lock.platforms[config.pack.platform]
    sdk_version = next((wheel.version for wheel in decisions.wheels if wheel.name == "cog"), "")
    described = describe_project(project, sdk_version=sdk_version, python=decisions.python)
    for note in described.notes:
        session.progress.note(note)
    store = session.cache / "fingerprints" / blake3(os.fsencode(project.root)).hexdigest()
    session.kept.used(store)
    fingerprints = Fingerprints(store, session.seal, trusting=not session.settings.paranoid, note=session.progress.note)

    def local(file: ProjectFile) -> Fingerprinted:
        return fingerprints.of(project.root / file.path)

    gathered = gather(session, project, lock)
    plan = make_plan(
        config,
        decisions,
        [file for file in project.files() if not project.is_weight(file)],
        gathered.weights,
        layer_size=gathered.layer_size,
        schema=described.document,
        concurrency=described.concurrency,
        platform=Platform.parse(config.pack.platform),
        suppliers=_suppliers(session, project, config, decisions, local, fingerprints),
    )
    marks = read_marks(session, project, lock)
    session.notes.check()
    return Prepared(
        project=project,
        lock=lock,
        plan=msgspec.structs.replace(plan, marks=marks),
        schema=described.document,
        fingerprints=fingerprints,
        gathered=gathered,
        pinned=pinned,
    )


def _suppliers(
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

    debs, wheels = _Debs(session, config, decisions), _Wheels(session, project, decisions)
    return Suppliers(
        deb=debs.file,
        wheel=wheels.file,
        file=local,
        part=fingerprints.when_read,
        probe=lambda content, header: int(
            fingerprints.remember(content, PROFILE, lambda: str(probe_local(content, header)))
        ),
        read=read,
        blob=_base_blob(session, decisions),
        spool=session.cache,
        progress=session.progress,
        cancellation=session.cancellation,
    )


class _Debs:
    """Locked packages, fetched all at once when the first is asked for: they make one layer."""

    def __init__(self, session: Session, config: Config, decisions: Decisions) -> None:
        self._session = session
        self._config = config
        self._decisions = decisions
        self._lock = threading.Lock()
        self._complete = False

    def file(self, deb: LockedDeb) -> LocalFile:
        with self._lock:
            if not self._complete:
                self._fetch_all()
                self._complete = True
        return _verified(self._session, deb_artifact(deb), lambda: self._urls(deb))

    def _fetch_all(self) -> None:
        assert self._decisions.debian is not None
        store = self._session.store
        missing = [deb for deb in self._decisions.debian.packages if store.find(deb_artifact(deb)) is None]
        if not missing:
            return
        task = self._session.progress.task(
            count_text(len(missing), "Debian package"), sum(deb.size for deb in missing), "fetch"
        )
        with ThreadPoolExecutor(8, thread_name_prefix="deb") as pool:
            list(pool.map(lambda deb: store.fetch(deb_artifact(deb), lambda: self._urls(deb), task), missing))
        task.done("fetched")

    def _urls(self, deb: LockedDeb) -> list[str]:
        debian = self._decisions.debian
        assert debian is not None
        mirror = Mirror.choose(self._config.pack.debian_mirror, self._session.environment)
        return deb_urls(deb, mirror, debian)


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
                    target=Target(
                        python=self._decisions.python, glibc=self._decisions.glibc, arch=platform.architecture
                    ),
                    cache=self._session.cache,
                    metadata=self._session.metadata,
                )
            return self._urls.get(wheel.sha256, [])


def _base_blob(session: Session, decisions: Decisions) -> BlobSource:
    def read(descriptor: Descriptor) -> Iterator[bytes]:
        assert decisions.base is not None
        with session.repository(Reference.parse(decisions.base.reference)).blob(descriptor) as blocks:
            yield from blocks

    return read
