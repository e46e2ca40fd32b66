"""`cogpack lock`: decide everything that the image depends on, and write it down."""

import difflib
import os
import time
from collections.abc import Mapping, Sequence

import msgspec
from packaging.utils import canonicalize_name

from cogpack.commands.changes import change_lines, changes, holdings
from cogpack.commands.clashes import check_clashes, clash_notes, compare_wheels
from cogpack.commands.gather import pin_weights
from cogpack.commands.images import trying
from cogpack.commands.maintainers import check_maintainers
from cogpack.commands.otherwise import notes_of
from cogpack.commands.requirements import check_requirements, indexes_of, python_minor, resolve_requirements
from cogpack.commands.session import Session
from cogpack.config import Config
from cogpack.disk import check_writable
from cogpack.errors import InputError, MismatchError
from cogpack.layers.facts import write_whole
from cogpack.lock import (
    FILE,
    VERSION,
    DebianBase,
    Decisions,
    Lock,
    RegistryBase,
    Results,
    encode_lock,
    input_digests,
    read_lock,
)
from cogpack.notes import Code, Note
from cogpack.oci import Platform
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.resolve.base import resolve_base
from cogpack.resolve.debs import SUITES, Mirror, renewed, resolve_debs
from cogpack.resolve.wheels import Target
from cogpack.text import time_text
from cogpack.trace import TRACE


def lock(session: Session, project: Project, *, upgrade: bool = False, packages: Sequence[str] = ()) -> Lock:
    """Resolve afresh and write `cogpack.lock`, and say what changed.

    Present pins are kept where they still fit, unless `upgrade`, and but for those of `packages`: names of wheels.
    """
    began = time.monotonic()
    session.notes.show_all()
    check_requirements(session, project)
    previous = read_lock(project.root)
    _try_writing(project)
    made = _resolve(session, project, previous, upgrade=upgrade, packages=packages)
    _named(packages, made.platforms[project.config.pack.platform])  # where no lock was there to ask
    _tell(session, project, made)
    session.notes.check()
    write_lock(project, made)
    platform = project.config.pack.platform
    found = changes(previous, made, platform) if previous else []
    for line in change_lines(found):
        session.progress.summary(line)
    what = "unchanged" if previous and not found else "locked"
    took = time_text(time.monotonic() - began)
    session.progress.summary(f"{what}: {holdings(made.platforms[platform])}, in {took}")
    return made


def check_lock(project: Project) -> Lock:
    """The lock; `MismatchError` where it is absent or was made from other inputs. No server is asked."""
    found = read_lock(project.root)
    if found is None:
        raise MismatchError(f"{project.root / FILE}: there is no lock", next_step="run cogpack lock and commit it")
    stale = found.stale(input_digests(project.inputs()))
    if stale or project.config.pack.platform not in found.platforms:
        raise _stale(project, stale)
    return found


def _stale(project: Project, stale: Sequence[str]) -> MismatchError:
    what = f"another {' and another '.join(stale)}" if stale else f"no {project.config.pack.platform}"
    return MismatchError(
        f"{FILE} was made {'from' if stale else 'for'} {what}", next_step="run cogpack lock and commit cogpack.lock"
    )


def _without(kept: Decisions, names: Sequence[str]) -> Decisions:
    """`kept` without its pins of these wheels."""
    wanted = _named(names, kept)
    return msgspec.structs.replace(kept, wheels=tuple(wheel for wheel in kept.wheels if wheel.name not in wanted))


def _named(names: Sequence[str], decisions: Decisions) -> dict[str, str]:
    """`names` as the user wrote them by those of wheels, which must be among the decided ones."""
    wanted: dict[str, str] = {canonicalize_name(name): name for name in names}
    known = {wheel.name for wheel in decisions.wheels}
    for name, written in wanted.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"--upgrade-package {written}: {FILE} has no such wheel"
                + (f"; did you mean {near[0]}?" if near else ""),
                next_step=f"cogpack lock -P {near[0]}" if near else "name one of those that it has",
            )
    return wanted


def _tell(session: Session, project: Project, lock: Lock) -> None:
    decisions = lock.platforms[project.config.pack.platform]
    for note in (*notes_of(project.config, decisions), *clash_notes(project, decisions)):
        session.progress.note(note)


def _resolve(
    session: Session, project: Project, previous: Lock | None, *, upgrade: bool = False, packages: Sequence[str] = ()
) -> Lock:
    inputs = input_digests(project.inputs())
    platform = project.config.pack.platform
    kept = None if upgrade or previous is None else previous.platforms.get(platform)
    kept = _without(kept, packages) if kept else None
    others = {} if previous is None else {name: it for name, it in previous.platforms.items() if name != platform}
    if previous is not None and previous.stale(inputs):
        for name in others:
            text = f"{FILE} no longer has {name}, which was made from other inputs: cogpack lock --platform {name}"
            session.progress.note(Note(Code.PLATFORM_STALE, text))
        others = {}
    return Lock(
        version=VERSION,
        inputs=inputs,
        platforms={platform: _decide(session, project, kept), **others},
        weights=pin_weights(session, project, previous.weights if previous and not upgrade else ()),
        results=previous.results if previous else Results(),
    )


def is_pinned(session: Session, project: Project) -> bool:
    """Whether the lock is to be taken as it is: neither resolved anew nor added to."""
    return session.settings.locked or (session.settings.in_ci and os.path.lexists(project.root / FILE))


def current_lock(session: Session, project: Project, *, writes: bool) -> Lock:
    """The lock, if it fits the project's inputs; else a new one, or a `MismatchError` where it is pinned.

    Only who `writes` leaves the new one in the project, and is told at once if that can't be.
    """
    check_requirements(session, project)
    found = read_lock(project.root)
    if found is None:
        if session.settings.locked:
            raise MismatchError(
                f"{project.root / FILE}: there is no lock, and with --locked or for verify none is made",
                next_step="run cogpack lock and commit cogpack.lock",
            )
        return _renewed(session, project, None, writes=writes)
    stale = found.stale(input_digests(project.inputs()))
    decisions = found.platforms.get(project.config.pack.platform)
    if not stale and decisions:
        check_clashes(project, decisions)
        _tell(session, project, found)
        if TRACE.level:
            TRACE.decided(f"{FILE} was made from these inputs: nothing is resolved")
        return found
    if is_pinned(session, project):
        raise _stale(project, stale)
    if stale:
        text = f"{FILE} is stale ({', '.join(stale)} changed): resolving"
        session.progress.note(Note(Code.LOCK_STALE, text))
    else:
        text = f"{FILE} has no {project.config.pack.platform} yet: resolving"
        session.progress.note(Note(Code.LOCK_LACKS_PLATFORM, text))
    return _renewed(session, project, found, writes=writes)


def _renewed(session: Session, project: Project, found: Lock | None, *, writes: bool) -> Lock:
    if writes:
        return lock(session, project)
    session.notes.show_all()
    made = _resolve(session, project, found)
    _tell(session, project, made)
    platform = project.config.pack.platform
    lacks = f"has no {platform}" if found and platform not in found.platforms else "is stale"
    text = f"{FILE} {'is not there' if found is None else lacks}: resolved for this run only, cogpack lock writes it"
    session.progress.note(Note(Code.LOCK_UNWRITTEN, text))
    return made


def write_lock(project: Project, made: Lock) -> None:
    write_whole(project.root / FILE, encode_lock(made))


def _try_writing(project: Project) -> None:
    """A directory that takes no lock should be known before the work of a resolution."""
    path = project.root / FILE
    try:
        check_writable(path)
    except InputError as error:
        raise InputError(
            error.message, next_step=f"run cogpack lock where the project can be written, and commit {FILE}"
        ) from error


def _decide(session: Session, project: Project, kept: Decisions | None) -> Decisions:
    config = project.config
    platform = Platform.parse(config.pack.platform)
    base = _registry_base(session, config, platform, kept)
    debian = None if base else _debian_base(session, config, platform, kept)
    python, glibc = (base.python, base.glibc) if base else (debian.python, debian.glibc) if debian else ("", "")
    target = Target(python=python, glibc=glibc, arch=platform.architecture)
    resolved = resolve_requirements(session, project, project.requirements(), target, kept)
    for note in resolved.notes:
        session.progress.note(note)
    with indexes_of(session, project, project.requirements()).hiding():
        wheels, clashes = compare_wheels(session, project, resolved, target, kept)
    decided = Decisions(
        debian=debian,
        base=base,
        wheels=wheels,
        clashes=clashes,
        created=_created(session.environment),
    )
    check_clashes(project, decided)
    return decided


def _created(environment: Mapping[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH (reproducible-builds.org), taken into the lock so that no builder's own can matter."""
    text = environment.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isdecimal() or int(text) > 253402300799:
        raise InputError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found {text!r}", next_step="correct it")
    return int(text)


def _registry_base(session: Session, config: Config, platform: Platform, kept: Decisions | None) -> RegistryBase | None:
    if config.pack.base is None:
        return None
    if config.system_packages:
        raise InputError(
            f"{config.where('build.system_packages')}: packages can't be laid over cogpack.base yet",
            next_step="choose a base that has them, or leave out cogpack.base",
        )
    reference = Reference.parse(config.pack.base, where=config.where("cogpack.base"))
    if kept and kept.base and kept.base.reference == str(reference):
        return kept.base
    base = _resolved(session, reference, platform)
    if config.python_version and python_minor(config) != base.python:
        raise InputError(
            f"{config.where('build.python_version')}: {config.python_version} is asked for, "
            f"and {reference} has Python {base.python}",
            next_step=f'write python_version: "{base.python}" or choose another base',
        )
    return base


def _resolved(session: Session, reference: Reference, platform: Platform) -> RegistryBase:
    repository = session.repository(reference)
    return trying(lambda: resolve_base(reference, platform, repository, session.progress), repository.doubt)


def _debian_base(session: Session, config: Config, platform: Platform, kept: Decisions | None) -> DebianBase:
    python = python_minor(config)
    if python not in SUITES:
        raise InputError(
            f"{config.where('build.python_version')}: no Debian suite has Python {python}",
            next_step=f"write {' or '.join(sorted(SUITES))}, which may do as well, or name an image that has {python}: "
            f"`cogpack: {{base: python:{python}-slim}}`",
        )
    requested = sorted(deb.name for deb in kept.debian.packages if deb.requested) if kept and kept.debian else None
    if (
        kept
        and kept.debian
        and kept.debian.suite == SUITES[python]
        and kept.debian.arch == platform.architecture
        and requested in (sorted(set(config.system_packages)), sorted(set(renewed(config.system_packages))))
        and not any("=" in name for name in config.system_packages)
    ):
        return kept.debian
    mirror = Mirror.choose(config.pack.debian_mirror, session.environment)
    return resolve_debs(
        suite=SUITES[python],
        arch=platform.architecture,
        requests=config.system_packages,
        places={
            request: config.where(f"build.system_packages[{index}]")
            for index, request in reversed(list(enumerate(config.system_packages)))
        },
        examine=lambda found, places: check_maintainers(session, found, mirror, places),
        http=session.http,
        cache=session.cache,
        seal=session.seal,
        mirror=mirror,
    )
