"""What wheels are built with comes beside all that the image has of Debian, which stays: what is built is for these
libraries."""

from collections.abc import Sequence

import msgspec

from cogpack.config import Config
from cogpack.lockfile.base_kinds import Base, DebianBase, DebianRelease
from cogpack.locking.asked_base import named_packages
from cogpack.locking.maintainer_scripts import left_to_dpkg
from cogpack.resolve.debs.archives.archive import Archive, debian_archives, locked_archive
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.names.renamed import answering
from cogpack.resolve.debs.over.resolver import ImagePackages, resolve_over
from cogpack.session import Session


def more_is_of(base: Base, below: Base, snapshot: Snapshot | None) -> bool:
    """Tell whether what `base` has more than `below` is of the time that is asked for, if one is."""
    before = (*(below.releases if isinstance(below, DebianBase) else ()), *below.system_packages.releases)
    new = [release for release in base.system_packages.releases if release not in before]
    return snapshot is None or snapshot.is_that_of(new)


def lay_beside(
    session: Session,
    config: Config,
    base: DebianBase,
    compiler: Sequence[str],
    archives: Sequence[Archive],
    snapshot: Snapshot | None,
    seen: Sequence[DebianRelease],
) -> DebianBase:
    """Lay over `base` what `config` asks for that is not there, and a `compiler` that nobody asked for. What is there
    moves only where these need it newer. `archives`: beside Debian's; `seen`: Releases of the lock that there was."""
    mirror = DebianMirror.choose(config.pack.debian_mirror, session.environment)
    over = base.system_packages
    releases = (*base.releases, *over.releases)
    versions = {deb.name: deb.version for deb in base.installed}
    named = named_packages(config, base.python)
    wanted = [name for name in (*named, *compiler) if answering([name], versions) is None]
    if not wanted:  # no archive is read for nothing
        over = msgspec.structs.replace(over, archives=tuple(map(locked_archive, archives)))
        return msgspec.structs.replace(base, system_packages=over)
    image = ImagePackages(
        name=f"Debian {base.suite}",
        where=config.where("cogpack.base"),
        arch=base.arch,
        archives=debian_archives(base.suite, mirror, snapshot),
        installed={},
    )
    found = resolve_over(
        image,
        wanted,
        http=session.http,
        cache=session.cache,
        seal=session.seal,
        places=dict.fromkeys(compiler, config.where("cogpack.compiler"))
        | {name: config.where(f"build.system_packages[{at}]") for at, name in enumerate(config.system_packages)},
        unasked=compiler,
        recommends=config.pack.recommends,
        archives=archives,
        examine=lambda found, places: left_to_dpkg(session, found, snapshot or mirror, places),
        seen=(*releases, *seen),
        kept=msgspec.structs.replace(over, packages=base.installed, releases=releases),
    )
    own, there = {deb.sha256 for deb in base.packages}, set(versions)
    packages = tuple(deb for deb in found.packages if deb.sha256 not in own)
    names = {deb.name for deb in packages}
    packages_over = msgspec.structs.replace(
        found,
        releases=tuple(dict.fromkeys(msgspec.structs.replace(one, keyring=None) for one in found.releases)),
        packages=packages,
        dpkg=tuple(name for name in found.dpkg if name in names),
        present=(),
        compiler=tuple(sorted({*over.compiler, *(names - there if compiler else ())})),
    )
    return msgspec.structs.replace(base, system_packages=packages_over)
