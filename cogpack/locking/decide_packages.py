"""What packages a project has over an image that others made is decided: kept, or resolved by the image's own
archives."""

from collections.abc import Callable, Sequence

import msgspec

from cogpack.config import Config
from cogpack.images.ground import ground_of
from cogpack.layers.debs.over.installed import DpkgDatabase
from cogpack.layers.debs.tree import Tree
from cogpack.lockfile.base_kinds import RegistryBase, SystemPackages
from cogpack.locking.maintainer_scripts import left_to_dpkg
from cogpack.resolve.base_image import BaseFiles
from cogpack.resolve.debs import (
    COG_TOOLS,
    Archive,
    DebianMirror,
    is_answered,
    locked_archive,
    of_wheels,
    parse_request,
)
from cogpack.resolve.debs.over.installed import Installed
from cogpack.resolve.debs.over.resolver import ImagePackages, resolve_over
from cogpack.resolve.debs.over.sources import read_archives
from cogpack.session import Session


def decide_packages(
    session: Session,
    config: Config,
    base: RegistryBase,
    archives: Sequence[Archive],
    kept: SystemPackages | None,
    files: Callable[[], BaseFiles],
) -> RegistryBase:
    """Give `base` with the packages that `config` asks for. `archives`: those beside its own; `kept`: packages that a
    lock has over just this image; `files` gives what is in it."""
    tools = COG_TOOLS if config.pack.tools else ()
    wanted = [*config.system_packages, *(name for name in tools if name not in config.system_packages)]
    if not wanted and not archives:
        found = SystemPackages()
    elif (
        kept is not None
        and kept.archives == tuple(map(locked_archive, archives))
        and _answers(kept, wanted, recommends=config.pack.recommends)
    ):
        found = kept
    else:
        found = _resolved(session, config, base, archives, wanted, files())
    return base if found == base.system_packages else msgspec.structs.replace(base, system_packages=found)


def _answers(kept: SystemPackages, wanted: Sequence[str], *, recommends: bool) -> bool:
    requested = {deb.name: deb.version for deb in kept.packages if deb.requested}
    there = requested | {one.name: one.version for one in kept.present}
    answered = [name for name in wanted if not of_wheels(name) or parse_request(name).name in there]
    return kept.recommends == (recommends and bool(answered)) and is_answered(answered, there)


def _resolved(
    session: Session,
    config: Config,
    base: RegistryBase,
    archives: Sequence[Archive],
    wanted: Sequence[str],
    files: BaseFiles,
) -> SystemPackages:
    where = f"{config.where('cogpack.base')}: {base.reference}"
    tree = Tree(ground_of(files.members))
    database = DpkgDatabase(tree, base.arch, where=where)
    mirror = DebianMirror.choose(config.pack.debian_mirror, session.environment)
    image = ImagePackages(
        name=base.reference,
        where=where,
        arch=base.arch,
        archives=read_archives(tree, base.arch, mirror, where=where),
        installed={
            name: Installed(
                name=name,
                version=package.version,
                control=package.text.encode("utf-8", "surrogateescape"),
                scripts=database.control(package),
            )
            for name, package in database.own.items()
        },
    )
    places = {
        request: config.where(f"build.system_packages[{index}]")
        for index, request in reversed(list(enumerate(config.system_packages)))
    }
    return resolve_over(
        image,
        wanted,
        http=session.http,
        cache=session.cache,
        seal=session.seal,
        places=dict.fromkeys(COG_TOOLS, config.where("cogpack.tools")) | places if config.pack.tools else places,
        recommends=config.pack.recommends,
        archives=archives,
        examine=lambda found, places: left_to_dpkg(session, found, mirror, places),
    )
