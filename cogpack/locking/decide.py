"""What a lock decides, and how: bases, packages, wheels and weights, each asked of `resolve/`."""

import difflib
from collections.abc import Mapping, Sequence

import msgspec
from packaging.utils import canonicalize_name

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.images.stored import trying
from cogpack.lock import (
    FILE,
    VERSION,
    DebianBase,
    Decisions,
    Lock,
    RegistryBase,
    Results,
    input_digests,
)
from cogpack.locking.clashes import check_clashes, compare_wheels
from cogpack.locking.requirements import indexes_of, python_minor, resolve_requirements
from cogpack.locking.scripts import check_maintainers
from cogpack.locking.weights import pin_weights
from cogpack.notes import Code, Note
from cogpack.oci import Platform
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.resolve.base import resolve_base
from cogpack.resolve.debs import SUITES, Mirror, renewed, resolve_debs
from cogpack.resolve.wheels import Target
from cogpack.session import Session


def _without(kept: Decisions, names: Sequence[str]) -> Decisions:
    """`kept` without its pins of these wheels."""
    wanted = named_wheels(names, kept)
    return msgspec.structs.replace(kept, wheels=tuple(wheel for wheel in kept.wheels if wheel.name not in wanted))


def named_wheels(names: Sequence[str], decisions: Decisions) -> dict[str, str]:
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


def resolve_lock(
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
