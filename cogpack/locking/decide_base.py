"""A base is decided here: which kind the project asks for, and what is resolved or kept of it, one function a kind."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from cogpack.config import PYTHONS, Config, Suite
from cogpack.errors import InputError
from cogpack.images.interface import trying
from cogpack.lockfile.base_kinds import Base, DebianBase, DebianRelease, LockedDeb, RegistryBase, SystemPackages
from cogpack.locking.asked_base import is_left, named_packages, usual_suite
from cogpack.locking.beside import lay_beside
from cogpack.locking.decide_bytecode import wants_release
from cogpack.locking.decide_packages import decide_packages
from cogpack.locking.maintainer_scripts import fetched_control, left_to_dpkg
from cogpack.locking.shared_base import SharedBase, SharedImage, is_shared
from cogpack.oci import Platform
from cogpack.reference import Reference
from cogpack.resolve.base_image import BaseFiles, list_base_image, resolve_base_image
from cogpack.resolve.debs.archives.archive import Archive, locked_archive
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.urls import deb_urls
from cogpack.resolve.debs.names.renamed import is_answered
from cogpack.resolve.debs.names.tools import COG_TOOLS
from cogpack.resolve.debs.resolver import resolve_debs
from cogpack.resolve.debs.security import upgrade_security
from cogpack.resolve.debs.standing import KeptBase
from cogpack.session import Session
from cogpack.text import count_text


def decide_base(
    session: Session,
    config: Config,
    platform: Platform,
    kept: Base | None,
    *,
    suite: Suite | None = None,
    shared: SharedBase | SharedImage | None = None,
    archives: Sequence[Archive] = (),
    last: Base | None = None,
    upgrade_system: bool = False,
    compiler: Sequence[str] = (),
    tools: Sequence[str] = (),
    instead: Mapping[str, Sequence[str]] = {},
    listed: Callable[[BaseFiles], object] = lambda _: None,
    building: bool = False,
) -> Base:
    """Give the base that `config` asks for: `kept`, where it still is that one, else resolved anew.

    `suite`: of Debian, where another than usual has to be; `shared`: the base of another lock that it names;
    `archives`: those beside Debian's; `last`: the one of the lock that there was, whatever of it is kept;
    `listed` is given the files of an image that is read for it; `upgrade_system`: `kept` with what the security archive
    has newer; `compiler` and `tools`: packages of Debian's that nobody asked for; `instead`: by package, what will do
    over an image whose archives have none of that name; `building`: what lacks is for builds alone, beside all that
    `kept` has.
    """
    snapshot = Snapshot.choose(config.pack.debian_snapshot, session.environment, now=datetime.now(UTC))
    tools = COG_TOOLS if config.pack.tools == "cog" else tools
    if config.pack.base is None:
        debian = kept if isinstance(kept, DebianBase) else None
        if building and debian:
            return lay_beside(session, config, debian, compiler, archives, snapshot, _releases(last))
        suite = config.pack.debian.suite or suite or usual_suite(config)
        of = shared if isinstance(shared, SharedBase) else None
        seen = _releases(last)
        decide = partial(_debian, session, config, platform, suite, shared=of, archives=archives, snapshot=snapshot)
        decide = partial(decide, seen=seen, tools=tools)
        found = decide(debian, upgrade_system=upgrade_system, compiler=compiler)
        over = found.system_packages
        is_split = (bool(over.compiler), bool(over.tools)) == (bool(compiler), bool(tools))
        if is_split and (found is debian or not (compiler or tools)):
            return found  # as it is in the lock: nobody is asked
        without = {deb.name for deb in (decide(found) if compiler else found).installed}
        alone = {deb.name for deb in decide(found, asked=()).installed} if tools else ()
        over = msgspec.structs.replace(
            over,
            compiler=tuple(deb.name for deb in over.packages if deb.name not in without),
            tools=tuple(deb.name for deb in over.packages if deb.name in alone),
        )
        return found if over == found.system_packages else msgspec.structs.replace(found, system_packages=over)
    image = shared if isinstance(shared, SharedImage) else None
    before = kept if isinstance(kept, RegistryBase) else None
    return _registry(
        session,
        config,
        config.pack.base,
        platform,
        before,
        image,
        archives,
        snapshot,
        last,
        listed,
        upgrade_system,
        instead,
        compiler,
        tools,
        building,
    )


def _releases(base: Base | None) -> Sequence[DebianRelease]:
    """Give those that it was made from."""
    if base is None:
        return ()
    return (*(base.releases if isinstance(base, DebianBase) else ()), *base.system_packages.releases)


def _check_upgrade(shared: str, snapshot: Snapshot | None) -> None:
    """Refuse to take on what somebody else says. `shared`: the name of the lock that does, if one does."""
    if shared or snapshot:
        raise InputError(
            f"--upgrade-system: the base is that of {shared or 'a time that is named'}",
            next_step="lock that one anew, and then this one" if shared else "name a later time (debian_snapshot)",
        )


def _registry(
    session: Session,
    config: Config,
    name: str,
    platform: Platform,
    kept: RegistryBase | None,
    shared: SharedImage | None,
    archives: Sequence[Archive],
    snapshot: Snapshot | None,
    last: Base | None,
    listed: Callable[[BaseFiles], object],
    upgrade_system: bool,
    instead: Mapping[str, Sequence[str]],
    compiler: Sequence[str],
    tools: Sequence[str],
    building: bool,
) -> RegistryBase:
    reference = Reference.parse(name, where=config.where("cogpack.base"))
    if shared and shared.base.reference != str(reference):
        if shared.wanted:
            raise InputError(
                f"{config.where('cogpack.debian_base_from')}: the base of {shared.name} is {shared.base.reference}, "
                f"and this project's is {reference}",
                next_step="name the same image in both, or take the base of another lock",
            )
        shared = None
    if upgrade_system:
        _check_upgrade("", snapshot)

    def decided(base: RegistryBase, packages: SystemPackages | None, files: Callable[[], BaseFiles]) -> RegistryBase:
        same = isinstance(last, RegistryBase) and last.digest == base.digest
        program = base.interpreter if wants_release(config, base) else None
        release = (base.release or files().release(program)) if program else None  # of what a lock had, none stays
        if release != base.release:
            base = msgspec.structs.replace(base, release=release)
        return decide_packages(
            session,
            config,
            base,
            archives,
            packages,
            files,
            snapshot=snapshot,
            seen=_releases(last),
            last=last.system_packages if last and same else None,
            upgrade_system=upgrade_system,
            instead=instead,
            compiler=compiler,
            tools=tools,
            building=building,
        )

    if kept and kept.reference != str(reference):
        kept = None
    if shared and (kept is None or not is_shared(kept, shared)):
        kept = msgspec.structs.replace(shared.base, system_packages=SystemPackages())
        session.progress.summary(f"same base as {shared.name}: {reference}@{kept.digest[:19]}")
    if kept:
        base, layers = kept, kept.layers

        def files() -> BaseFiles:
            images = session.images(reference)
            found = trying(
                lambda: list_base_image(reference, layers, images, session.progress, session.listings), images
            )
            listed(found)
            return found

        return decided(base, kept.system_packages, files)
    images = session.images(reference)
    read: list[BaseFiles] = []
    try:
        base = trying(
            lambda: resolve_base_image(
                reference, platform, images, session.progress, listed=read.append, listings=session.listings
            ),
            images,
        )
    except InputError as error:  # of the image: who looks at that knows no line
        text = error.message.removeprefix("cogpack.base: ")
        raise InputError(f"{config.where('cogpack.base')}: {text}", next_step=error.next_step) from error
    listed(read[-1])
    return decided(base, None, lambda: read[-1])


def _debian(
    session: Session,
    config: Config,
    platform: Platform,
    suite: Suite,
    kept: DebianBase | None,
    *,
    shared: SharedBase | None,
    archives: Sequence[Archive],
    snapshot: Snapshot | None,
    seen: Sequence[DebianRelease],
    upgrade_system: bool = False,
    compiler: Sequence[str] = (),
    tools: Sequence[str],
    asked: Sequence[str] | None = None,
) -> DebianBase:
    """Decide it. `asked`: packages instead of `build.system_packages`."""
    slim = config.pack.debian.slim
    fits = shared is None or (shared.base.suite, shared.base.slim) == (suite, slim)
    if shared and not fits and not shared.wanted:
        shared = None
    elif shared and not fits:
        its, own = _named(shared.base.suite, slim=shared.base.slim), _named(suite, slim=slim)
        raise InputError(
            f"{config.where('cogpack.debian_base_from')}: the base of {shared.name} is Debian {its}, and "
            f"this project's is {own}, for Python {config.python_minor}",
            next_step=f"take the base of another lock, or write base: debian:{its} under cogpack",
        )
    if kept and (kept.suite, kept.slim, kept.arch) != (suite, slim, platform.architecture):
        kept = None
    named = named_packages(config, PYTHONS[suite]) if asked is None else asked
    wanted = list(dict.fromkeys([*named, *tools, *compiler]))
    requested = {deb.name: deb.version for deb in kept.installed if deb.requested} if kept else {}
    answered = [name for name in wanted if not is_left(name, requested)]
    mirror = DebianMirror.choose(config.pack.debian_mirror, session.environment)
    if upgrade_system:
        _check_upgrade(shared.name if shared else "", snapshot)
    if (
        kept
        and is_answered(answered, requested)
        and kept.system_packages.recommends == (config.pack.recommends and bool(answered))
        and kept.system_packages.archives == tuple(map(locked_archive, archives))
        and _is_of(kept, snapshot, shared)
    ):
        if not upgrade_system:
            return kept
        return upgrade_security(
            kept,
            wanted,
            archives=archives,
            examine=lambda found, places: left_to_dpkg(session, found, mirror, places),
            http=session.http,
            cache=session.cache,
            seal=session.seal,
            mirror=mirror,
        )
    found = resolve_debs(
        suite=suite,
        slim=slim,
        arch=platform.architecture,
        requests=wanted,
        recommends=config.pack.recommends,
        archives=archives,
        places=dict.fromkeys(compiler, config.where("cogpack.compiler"))
        | dict.fromkeys(tools, config.where("cogpack.tools"))
        | {
            request: config.where(f"build.system_packages[{index}]")
            for index, request in reversed(list(enumerate(config.system_packages)))
        },
        unasked=[name for name in (*tools, *compiler) if name not in config.system_packages],
        examine=lambda found, places: left_to_dpkg(session, found, snapshot or mirror, places),
        http=session.http,
        cache=session.cache,
        seal=session.seal,
        mirror=mirror,
        kept=_stood_upon(session, kept, shared, snapshot, mirror),
        snapshot=snapshot,
        seen=(*seen, *(shared.base.releases if shared else ())),
    )
    if shared:
        of = f"Debian {_named(suite, slim=slim)}, {count_text(len(found.packages), 'package')}"
        session.progress.summary(f"same base as {shared.name}: {of}")
    return found


def _is_of(kept: DebianBase, snapshot: Snapshot | None, shared: SharedBase | None) -> bool:
    """Tell whether it is of that time and has that base, where they are asked for."""
    releases = kept.system_packages.releases if shared else kept.releases
    if snapshot and not snapshot.is_that_of(releases):
        return False
    return shared is None or is_shared(kept, shared)


def _stood_upon(
    session: Session,
    kept: DebianBase | None,
    shared: SharedBase | None,
    snapshot: Snapshot | None,
    mirror: DebianMirror,
) -> KeptBase | None:
    """Give the base that is kept if it can be: that of a time is what it was then."""
    base = shared.base if shared else kept if snapshot is None else None
    if base is None:
        return None

    def read(deb: LockedDeb) -> bytes:
        return fetched_control(session, deb, deb_urls(deb, mirror, base.releases))

    return KeptBase(base=base, name=shared.name if shared else "", read=read)


def _named(suite: str, *, slim: bool) -> str:
    return f"{suite}-slim" if slim else suite
