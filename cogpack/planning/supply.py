"""How the contents of layers are had: packages and wheels from their servers, files from the project."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.artifacts import Artifact, Input
from cogpack.config import Config
from cogpack.config.steps import step_places
from cogpack.digest import Digest
from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.layers.built import BaseLayer
from cogpack.layers.entry import Entry
from cogpack.layers.files import Placed, drain
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.listed import ListedFiles
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.arrangement import remembered_probe
from cogpack.lockfile import (
    Decisions,
    Lock,
    LockedClone,
    LockedFetch,
    LockedHubFile,
    LockedInterpreter,
    LockedSteps,
    LockedWheel,
)
from cogpack.lockfile.base_kinds import Base, DebianRelease, LockedDeb
from cogpack.locking.lines.cloned import make_mirrors, open_pinned
from cogpack.locking.maintainer_scripts import deb_artifact
from cogpack.locking.wheels.building import Building, Ground
from cogpack.locking.wheels.built import BuiltWheels
from cogpack.locking.wheels.indexes import indexes_of
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.oci import Descriptor, Platform
from cogpack.planning.compiling import Compiler, packs_of
from cogpack.planning.delivery.targets import is_bare, push_reference
from cogpack.planning.plan import Suppliers
from cogpack.planning.recipes.base import BaseSupply
from cogpack.planning.recipes.hub import open_hub_file
from cogpack.planning.recipes.libraries import LibrarySupply
from cogpack.planning.steps.laying import Laying
from cogpack.planning.steps.steps import Home, Runner, Steps
from cogpack.progress import counted
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.urls import deb_urls
from cogpack.runtime.contract import project_path
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.images.listings import Listed
    from cogpack.layers.clones import CloneSource
    from cogpack.layers.weights.remote import Reader
    from cogpack.planning.steps.changes import Coding, StepChanges
    from cogpack.resolve.pip import Pages
    from cogpack.resolve.wheels.indexes import Indexes
    from cogpack.sandbox.rungs.proot import Proot

_OUTSIDE = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "cog_ca_cert"})


def suppliers(
    session: Session, project: Project, lock: Lock, fingerprints: Fingerprints, building: Building
) -> Suppliers:
    """Say how the contents of a project's layers are had; `fingerprints`: of its files; `building`: of wheels that
    nobody publishes."""
    decisions = lock.platforms[project.config.pack.platform]

    def read(file: Placed) -> None:
        """Two weights may be equal; who has them for the first time has to look."""
        task = session.progress.task(f"{WEIGHTS}{project_path(file.path)}", file.content.size, "compare")
        drain(file, task.advance)
        task.done("compared")

    def changes(steps: Steps, coding: "Coding", recorded: LockedSteps | None, runner: Runner) -> "StepChanges":
        from cogpack.planning.steps.changes import Recorded, StepChanges

        return StepChanges(steps, coding, Recorded(recorded, lock.results), session.formats[lock.format], runner)

    opened = open_pinned(make_mirrors(session))

    def cloned(pin: LockedClone, path: str) -> "CloneSource":
        from cogpack.layers.clones import CloneSource

        return CloneSource(pin, path, opened=opened, spool=session.cache, check=session.cancellation.check)

    runner = runner_of(session, project, decisions.base)
    wheels = _Wheels(session, project, decisions, building)
    return Suppliers(
        base=base_supply(session, project.config),
        interpreter=partial(interpreter_input, session, project.config),
        wheel=wheels.input,
        libraries=LibrarySupply(
            wheels=session.wheel_libraries, members=partial(_members, session), cancellation=session.cancellation
        ),
        bytecode=lambda release, own: packs_of(session, Compiler(session, release, own, runner)),
        steps=lambda steps, coding: changes(steps, coding, decisions.steps, runner),
        dpkg=lambda steps, coding: changes(
            steps,
            coding,
            decisions.dpkg,
            msgspec.structs.replace(runner, places=(project.config.where("build.system_packages"),)),
        ),
        fetched=partial(_fetched, session, step_places(project.config)),
        hub_file=partial(_hub_file, session),
        cloned=cloned,
        listed=partial(ListedFiles, fingerprints, str(project.root)),
        part=fingerprints.when_read,
        probe=partial(remembered_probe, fingerprints),
        read=read,
    )


def _mapped(session: Session, base: Base) -> dict[str, str]:
    """Give where archives beside Debian's are really asked for, where that is elsewhere."""
    over = base.system_packages
    uris = {
        *(archive.uri for archive in over.archives),
        *(one.archive for one in over.releases if "://" in one.archive),
    }
    return {uri: found for uri in sorted(uris) if (found := session.http.url_map.of(uri)) != uri}


def base_supply(session: Session, config: Config) -> BaseSupply:
    """Say how what a base is made of is had."""
    return BaseSupply(
        package=partial(_package, session, config),
        blob=partial(_blob, session),
        ground=partial(_ground, session),
        spool=session.cache,
        kept=session.kept_packages,
        progress=session.progress,
        cancellation=session.cancellation,
    )


def runner_of(session: Session, project: Project, base: Base) -> Runner:
    """Give what running commands over an image of the project takes."""
    mirror = DebianMirror.choose(project.config.pack.debian_mirror, session.environment)
    return Runner(
        kept=session.cache / "steps",
        scratch=session.cache / "trees",
        laying=Laying(session.cache / "steps" / "rate"),
        cache=session.kept,
        isolation=session.settings.isolation or project.config.pack.isolation,
        architecture=base.arch,
        network=project.config.pack.network,
        limits=project.config.pack.limits,
        secrets=session.settings.secrets,
        places=step_places(project.config),
        home=_home(session, project),
        variables={name: value for name, value in session.environment.items() if name.lower() in _OUTSIDE},
        mirrors=mirror.replacements(session.http.url_map.of) | _mapped(session, base),
        authorities=lambda: session.authorities,
        proot=partial(_proot, session, project.config),
        emulator=partial(_emulator, session, project.config),
        facts=session.facts,
        seal=session.seal,
        progress=session.progress,
        cancellation=session.cancellation,
        jobs=session.settings.jobs,
    )


def _emulator(session: Session, config: Config, place: Path) -> Path:
    from cogpack.planning.emulator import find_emulator  # which few machines need

    return find_emulator(session, config.pack.debian_mirror, place)


def _proot(session: Session, config: Config, root: Path, place: Path) -> "Proot":
    from cogpack.planning.proot import find_proot  # with the sandbox, which few projects need

    return find_proot(session, config.pack.debian_mirror, root, place)


def _package(session: Session, config: Config, releases: Sequence[DebianRelease], deb: LockedDeb) -> Input:
    def urls() -> list[str]:
        return deb_urls(deb, DebianMirror.choose(config.pack.debian_mirror, session.environment), releases)

    return Input(supply=session.supply, artifact=deb_artifact(deb), noun="Debian package", urls=urls)


def _hub_file(session: Session, file: LockedHubFile) -> "Reader":
    if session.depot:
        return session.depot.open(file.sha256, file.size, f"{file.repository}/{file.path}")
    return open_hub_file(session.servers.hub, file)


def interpreter_input(session: Session, config: Config, locked: LockedInterpreter) -> Input:
    from cogpack.resolve.interpreter import interpreter_urls

    name = unquote(urlsplit(locked.url).path.rpartition("/")[2])
    return Input(
        supply=session.supply,
        artifact=Artifact(name, Digest(f"sha256:{locked.sha256}"), locked.size, f"CPython {locked.version}"),
        noun="interpreter",
        urls=lambda: interpreter_urls(locked.url, session.environment),
        hiding=partial(_of_publisher, locked.version, config),
    )


@contextmanager
def _of_publisher(version: str, config: Config) -> Iterator[None]:
    from cogpack.resolve.interpreter import unreachable

    try:
        yield
    except (DeniedError, UnavailableError) as error:
        where = config.where("build.python_version" if config.python_version else "cogpack.base")
        raise unreachable(version, error.message, where=where, debian=config.debian_pythons) from error


def _fetched(session: Session, places: Sequence[str], pin: LockedFetch, step: int) -> Input:
    name = urlsplit(pin.url).path.rpartition("/")[2] or "file"
    urls = [pin.url] if pin.address is None else [pin.address, pin.url]
    return Input(
        supply=session.supply,
        artifact=Artifact(name, Digest(f"sha256:{pin.sha256}"), pin.size),
        noun="fetched file",
        urls=lambda: urls,
        hiding=partial(_at_step, places[step]),
    )


@contextmanager
def _at_step(place: str) -> Iterator[None]:
    """Say of what goes wrong which step wants the file, and how it is pinned anew."""
    try:
        yield
    except (DeniedError, MismatchError, UnavailableError) as error:
        error.message = f"{place}: {error.message}"
        if not (isinstance(error, UnavailableError) and error.away):
            error.next_step = "see what was there before; cogpack lock --upgrade-run pins what is there now in the lock"
        raise


class _Wheels:
    """Where locked wheels are; the index is asked once for all that are wanted by then, and once for all others."""

    def __init__(self, session: Session, project: Project, decisions: Decisions, building: Building) -> None:
        self._session = session
        self._project = project
        self._decisions = decisions
        ground = Ground.of(decisions, Platform.parse(project.config.pack.platform))
        self._built = BuiltWheels(session, project, decisions, building, ground, self._pages)
        self._lock = threading.Lock()
        self._listed: dict[str, list[str]] = {}

    def input(self, wheel: LockedWheel) -> Input:
        return Input(
            supply=self._session.supply,
            artifact=wheel_artifact(wheel),
            noun="wheel",
            urls=lambda: self._urls(wheel),
            hiding=lambda: self._indexes.hiding(),
            made=self._built.has(wheel),
        )

    def _pages(self) -> "Pages":
        from cogpack.resolve.pip import Pages

        return Pages(self._session.http, self._indexes)

    @cached_property
    def _indexes(self) -> "Indexes":
        return indexes_of(self._session, self._project, self._project.requirements(), self._decisions.torch_index)

    def _urls(self, wheel: LockedWheel) -> list[str]:
        if self._built.has(wheel):
            return [str(self._built.bring(wheel))]
        if wheel.path is not None:
            return [str(self._project.root / wheel.path)]
        if wheel.url is not None:
            return [self._indexes.authorised(wheel.url)]
        with self._lock:
            if wheel.sha256 not in self._listed:
                self._ask(wheel)
            return self._listed.get(wheel.sha256, [])

    def _ask(self, wanted: LockedWheel) -> None:
        """Ask for it and those that are wanted, too: an index without hashes has to give all bytes of each."""
        from cogpack.locking.wheels.addresses import wheel_addresses

        missing = [
            wheel
            for wheel in self._decisions.wheels
            if wheel.path is None
            and wheel.url is None
            and not self._built.has(wheel)
            and wheel.sha256 not in self._listed
            and (wheel is wanted or self._listed or self._session.supply.is_wanted(wheel_artifact(wheel).digest))
            and self._session.store.find(wheel_artifact(wheel)) is None
        ]
        found = wheel_addresses(self._session, self._project, self._decisions, self._indexes, missing)
        self._listed |= {wheel.sha256: found.get(wheel.sha256, []) for wheel in missing}


def _members(session: Session, layer: BaseLayer) -> "Iterable[Listed]":
    task = session.progress.task(layer.name, layer.info.descriptor.size, "list")

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield counted(layer.blocks(), task.advance)

    found = session.listings.read(layer.info, opened, where=layer.name)
    task.done("listed")
    return found


def _blob(session: Session, reference: Reference, descriptor: Descriptor, *, patient: bool = True) -> Iterator[bytes]:
    if session.depot:
        yield from session.depot.blocks(descriptor, f"layer of {reference.name}")
        return
    with session.repository(reference, patient=patient).blob(descriptor) as blocks:
        yield from blocks


def _ground(session: Session, reference: Reference, layers: Sequence[BaseLayer]) -> Mapping[str, Entry]:
    """List what an image's layers hold, each streamed where this machine has not seen it yet."""
    from cogpack.images.ground import apply_layer, ground_of, weigh
    from cogpack.images.root_file_system import RootFileSystem, too_many

    files: RootFileSystem[Listed] = RootFileSystem(too_many(str(reference)), weigh)
    for layer in layers:
        apply_layer(files, _members(session, layer))
    return ground_of(files.entries)


def _home(session: Session, project: Project) -> Home | None:
    if depot := session.depot:
        return Home(str(depot.root), lambda descriptor: depot.blocks(descriptor, "layer of build.run"))
    if project.config.image:
        with suppress(InputError):  # which who needs the name is told
            reference = push_reference(None, project)
            if not is_bare(reference):
                return Home(reference.name, partial(_blob, session, reference, patient=False))
    return None
