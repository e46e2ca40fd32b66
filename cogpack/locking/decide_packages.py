"""What packages a project has over an image that others made is decided: kept, or resolved by the image's own
archives."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property

import msgspec

from cogpack.config import Config
from cogpack.images.ground import ground_of
from cogpack.layers.debs.over.installed import DpkgDatabase
from cogpack.layers.debs.tree import Tree
from cogpack.lockfile.base_kinds import DebianRelease, RegistryBase, SystemPackages
from cogpack.locking.maintainer_scripts import left_to_dpkg
from cogpack.resolve.base_image import BaseFiles
from cogpack.resolve.debs import (
    COG_TOOLS,
    Archive,
    Brought,
    DebianMirror,
    Snapshot,
    is_answered,
    locked_archive,
    of_wheels,
    parse_request,
)
from cogpack.resolve.debs.over.installed import Installed
from cogpack.resolve.debs.over.resolver import ImagePackages, resolve_over
from cogpack.resolve.debs.over.sources import read_archives
from cogpack.resolve.debs.over.upgrade import upgrade_over
from cogpack.session import Session


def decide_packages(
    session: Session,
    config: Config,
    base: RegistryBase,
    archives: Sequence[Archive],
    kept: SystemPackages | None,
    files: Callable[[], BaseFiles],
    *,
    snapshot: Snapshot | None = None,
    seen: Sequence[DebianRelease] = (),
    last: SystemPackages | None = None,
    upgrade_system: bool = False,
    instead: Mapping[str, Sequence[str]] = {},
) -> RegistryBase:
    """Give `base` with the packages that `config` asks for. `archives`: those beside its own; `kept`: packages that a
    lock has over just this image; `files` gives what is in it. `snapshot`: its archives are asked for as they were
    then; `seen`: Releases of the lock that there was; `last`: packages that it has over this image, whether they are
    kept or not: of those of the image that it took on, none goes back; `upgrade_system`: `kept` with what they have
    newer for security, of the image, too; `instead`: by package, others that will do where there is none of that
    name."""
    tools = COG_TOOLS if config.pack.tools == "cog" else ()
    wanted = [*config.system_packages, *(name for name in tools if name not in config.system_packages)]
    image = _Image(session, config, base, archives, snapshot, seen, files, instead)
    newer = {deb.name for one in (kept, last) if one for deb in one.packages if deb.instead_of}
    if (
        kept is not None
        and newer.issubset(deb.name for deb in kept.packages)
        and kept.archives == tuple(map(locked_archive, archives))
        and _answers(kept, wanted, recommends=config.pack.recommends)
        and (snapshot is None or snapshot.is_that_of(kept.releases))
    ):
        found = kept
    elif wanted or archives or newer:
        found = image.resolved(wanted, newer)
    else:
        found = SystemPackages()
    if upgrade_system:
        found = image.upgraded(found, wanted)
    return base if found == base.system_packages else msgspec.structs.replace(base, system_packages=found)


def _answers(kept: SystemPackages, wanted: Sequence[str], *, recommends: bool) -> bool:
    requested = {deb.name: deb.version for deb in kept.packages if deb.requested}
    there = requested | {one.name: one.version for one in kept.present}
    answered = [name for name in wanted if not of_wheels(name) or parse_request(name).name in there]
    return kept.recommends == (recommends and bool(answered)) and is_answered(answered, there)


class _Image:
    """Is the image that packages are laid over, whose files are read where they are asked for."""

    def __init__(
        self,
        session: Session,
        config: Config,
        base: RegistryBase,
        archives: Sequence[Archive],
        snapshot: Snapshot | None,
        seen: Sequence[DebianRelease],
        files: Callable[[], BaseFiles],
        instead: Mapping[str, Sequence[str]],
    ) -> None:
        self._session = session
        self._config = config
        self._base = base
        self._archives = archives
        self._snapshot = snapshot
        self._seen = seen
        self._files = files
        self._instead = instead
        self._mirror = DebianMirror.choose(config.pack.debian_mirror, session.environment)

    @cached_property
    def _packages(self) -> ImagePackages:
        base = self._base
        where = f"{self._config.where('cogpack.base')}: {base.reference}"
        tree = Tree(ground_of(self._files().members))
        database = DpkgDatabase(tree, base.arch, where=where)
        return ImagePackages(
            name=base.reference,
            where=where,
            arch=base.arch,
            archives=read_archives(tree, base.arch, self._mirror, where=where, snapshot=self._snapshot),
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

    def _examine(self, found: Sequence[Brought], places: Mapping[str, str]) -> Collection[str]:
        return left_to_dpkg(self._session, found, self._snapshot or self._mirror, places)

    def resolved(self, wanted: Sequence[str], newer: Collection[str]) -> SystemPackages:
        """Resolve what is `wanted`. `newer`: those of the image that a lock has newer."""
        config, session = self._config, self._session
        unasked = [name for name in wanted if name not in config.system_packages]
        places = dict.fromkeys(unasked, config.where("cogpack.tools")) | {
            request: config.where(f"build.system_packages[{index}]")
            for index, request in reversed(list(enumerate(config.system_packages)))
        }
        return resolve_over(
            self._packages,
            wanted,
            http=session.http,
            cache=session.cache,
            seal=session.seal,
            places=places,
            unasked=unasked,
            recommends=config.pack.recommends,
            archives=self._archives,
            examine=self._examine,
            upgraded=sorted(newer),
            seen=self._seen,
            instead=self._instead,
        )

    def upgraded(self, kept: SystemPackages, wanted: Sequence[str]) -> SystemPackages:
        session = self._session
        return upgrade_over(
            self._packages,
            kept,
            wanted,
            http=session.http,
            cache=session.cache,
            seal=session.seal,
            archives=self._archives,
            examine=self._examine,
        )
