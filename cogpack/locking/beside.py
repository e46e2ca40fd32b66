"""What wheels are built with comes beside all that the image has of Debian, which stays: what is built is for these
libraries."""

import msgspec

from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.locking.asked_base import named_packages
from cogpack.locking.base_question import BaseQuestion
from cogpack.resolve.debs.archives.archive import debian_archives, locked_archive
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.found import ImagePackages
from cogpack.resolve.debs.names.renamed import answering
from cogpack.resolve.debs.over.resolver import resolve_over
from cogpack.resolve.debs.security import upgrade_security


def more_is_of(base: Base, below: Base, snapshot: Snapshot | None) -> bool:
    """Tell whether what `base` has more than `below` is of the time that is asked for, if one is."""
    new = [release for release in base.system_packages.releases if release not in below.all_releases]
    return snapshot is None or snapshot.is_that_of(new)


def lay_beside(question: BaseQuestion, base: DebianBase) -> DebianBase:
    """Lay over `base` what is asked for and not there. What is there moves only where these need it newer, and to what
    the security archive has where it is to be taken on."""
    over = base.system_packages
    versions = {deb.name: deb.version for deb in base.installed}
    named = named_packages(question.config, base.python)
    wanted = [name for name in (*named, *question.compiler) if answering([name], versions) is None]
    if not wanted:  # no archive is read for nothing
        over = msgspec.structs.replace(over, archives=tuple(map(locked_archive, question.archives)))
        base = msgspec.structs.replace(base, system_packages=over)
        if not question.upgrade_system:
            return base
        return upgrade_security(question.debs(named), question.reader(base.arch), base, question.mirror)
    image = ImagePackages(
        name=f"Debian {base.suite}",
        where=question.config.where("cogpack.base"),
        archives=debian_archives(base.suite, question.mirror, question.snapshot),
        installed={},
    )
    kept = msgspec.structs.replace(over, packages=base.installed, releases=base.all_releases)
    found = resolve_over(question.debs(wanted), question.reader(base.arch, base.all_releases), image, kept=kept)
    own, there = {deb.sha256 for deb in base.packages}, set(versions)
    packages = tuple(deb for deb in found.packages if deb.sha256 not in own)
    names = {deb.name for deb in packages}
    packages_over = msgspec.structs.replace(
        found,
        releases=tuple(dict.fromkeys(msgspec.structs.replace(one, keyring=None) for one in found.releases)),
        packages=packages,
        dpkg=tuple(name for name in found.dpkg if name in names),
        present=(),
        compiler=tuple(sorted({*over.compiler, *(names - there if question.compiler else ())})),
    )
    return msgspec.structs.replace(base, system_packages=packages_over)
