"""A base is decided here: which kind the project asks for, and what is resolved or kept of it, one function a kind."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cogpack.config import PYTHONS, Config, Suite
from cogpack.errors import InputError
from cogpack.images.interface import trying
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, RegistryBase
from cogpack.locking.decide_packages import decide_packages
from cogpack.locking.maintainer_scripts import fetched_control, left_to_dpkg
from cogpack.locking.shared_base import SharedBase
from cogpack.oci import Platform
from cogpack.reference import Reference
from cogpack.resolve.base_image import BaseFiles, list_base_image, resolve_base_image
from cogpack.resolve.debs import (
    COG_TOOLS,
    Archive,
    DebianMirror,
    KeptBase,
    Snapshot,
    deb_urls,
    is_answered,
    locked_archive,
    of_wheels,
    parse_request,
    resolve_debs,
    upgrade_security,
)
from cogpack.session import Session
from cogpack.text import count_text


def decide_base(
    session: Session,
    config: Config,
    platform: Platform,
    kept: Base | None,
    *,
    suite: Suite | None = None,
    shared: SharedBase | None = None,
    archives: Sequence[Archive] = (),
    upgrade_system: bool = False,
    listed: Callable[[BaseFiles], object] = lambda _: None,
) -> Base:
    """Give the base that `config` asks for: `kept`, where it still is that one, else resolved anew.

    `suite`: of Debian, where another than usual has to be; `shared`: the Debian base of another lock that it names;
    `archives`: those beside Debian's; `listed` is given the files of an image that is read for it; `upgrade_system`:
    `kept` with what the security archive has newer.
    """
    if config.pack.base is None:
        debian = kept if isinstance(kept, DebianBase) else None
        suite = config.pack.debian.suite or suite or usual_suite(config)
        return _debian(session, config, platform, suite, debian, shared, archives, upgrade_system=upgrade_system)
    if upgrade_system:
        raise InputError(
            f"{config.where('cogpack.base')}: the packages of an image are its own, and are not upgraded alone",
            next_step="run cogpack lock --upgrade, which takes what the image's name means now",
        )
    return _registry(session, config, config.pack.base, platform, kept, archives, listed)


def _registry(
    session: Session,
    config: Config,
    name: str,
    platform: Platform,
    kept: Base | None,
    archives: Sequence[Archive],
    listed: Callable[[BaseFiles], object],
) -> RegistryBase:
    reference = Reference.parse(name, where=config.where("cogpack.base"))
    if isinstance(kept, RegistryBase) and kept.reference == str(reference):
        layers = kept.layers

        def files() -> BaseFiles:
            images = session.images(reference)
            found = trying(
                lambda: list_base_image(reference, layers, images, session.progress, session.listings), images
            )
            listed(found)
            return found

        return decide_packages(session, config, kept, archives, kept.system_packages, files)
    images = session.images(reference)
    read: list[BaseFiles] = []
    base = trying(
        lambda: resolve_base_image(
            reference, platform, images, session.progress, listed=read.append, listings=session.listings
        ),
        images,
    )
    listed(read[-1])
    return decide_packages(session, config, base, archives, None, lambda: read[-1])


def _debian(
    session: Session,
    config: Config,
    platform: Platform,
    suite: Suite,
    kept: DebianBase | None,
    shared: SharedBase | None,
    archives: Sequence[Archive],
    *,
    upgrade_system: bool,
) -> DebianBase:
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
    snapshot = Snapshot.choose(config.pack.debian_snapshot, session.environment, now=datetime.now(UTC))
    tools = COG_TOOLS if config.pack.tools else ()
    wanted = [*config.system_packages, *(name for name in tools if name not in config.system_packages)]
    requested = {deb.name: deb.version for deb in kept.installed if deb.requested} if kept else {}
    answered = [name for name in wanted if not of_wheels(name) or parse_request(name).name in requested]
    mirror = DebianMirror.choose(config.pack.debian_mirror, session.environment)
    looked = snapshot.mirror if snapshot else mirror
    if upgrade_system and (shared or snapshot):
        raise InputError(
            f"--upgrade-system: the base is that of {shared.name if shared else 'a time that is named'}",
            next_step="lock that one anew, and then this one" if shared else "name a later time (debian_snapshot)",
        )
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
        places=dict.fromkeys(tools, config.where("cogpack.tools"))
        | {
            request: config.where(f"build.system_packages[{index}]")
            for index, request in reversed(list(enumerate(config.system_packages)))
        },
        examine=lambda found, places: left_to_dpkg(session, found, looked, places),
        http=session.http,
        cache=session.cache,
        seal=session.seal,
        mirror=mirror,
        kept=_stood_upon(session, kept, shared, snapshot, mirror),
        snapshot=snapshot,
    )
    if shared:
        of = f"Debian {_named(suite, slim=slim)}, {count_text(len(found.packages), 'package')}"
        session.progress.summary(f"same base as {shared.name}: {of}")
    return found


def _is_of(kept: DebianBase, snapshot: Snapshot | None, shared: SharedBase | None) -> bool:
    """Tell whether it is of that time and has that base, where they are asked for."""
    releases = kept.system_packages.releases if shared else kept.releases
    if snapshot and any(release.snapshot != snapshot.stamp for release in releases):
        return False
    return shared is None or [deb.sha256 for deb in kept.packages] == [deb.sha256 for deb in shared.base.packages]


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


def usual_suite(config: Config) -> Suite:
    """Choose the suite whose own python3 is the one that is asked for, else the oldest with a newer one: what runs on
    that Python was made when the suite was."""
    own: dict[Suite, tuple[int, ...]] = {suite: _order(version) for suite, version in PYTHONS.items()}
    newer = [suite for suite in own if own[suite] >= _order(config.python_minor)]
    return min(newer, key=own.__getitem__) if newer else max(own, key=own.__getitem__)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
