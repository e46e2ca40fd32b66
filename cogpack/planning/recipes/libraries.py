"""The libraries of an image: the cache of those that the dynamic linker finds, and what is looked for and not there."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from cogpack.artifacts import Input
from cogpack.digest import sha256
from cogpack.elf.system_versions import SystemVersions
from cogpack.images.listings import Listed
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.content import Content
from cogpack.layers.debs.effects.ldcache import CACHE, CONF
from cogpack.layers.debs.source import PackageSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, Whiteout
from cogpack.layers.layer import Layer, key_of
from cogpack.layers.library_cache import LibraryCacheSource, has_system_libraries
from cogpack.layers.spool import Once
from cogpack.layers.wheels.libraries import Unresolved, WheelLibraries, WheelLibrary
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile import LockedClash, LockedWheel
from cogpack.lockfile.base_kinds import Base, RegistryBase
from cogpack.oci import encode
from cogpack.patterns import pattern
from cogpack.planning.recipes.maker import LayerMaker, MaybeLayer
from cogpack.planning.steps.layer import OpenLayer, StepsLayer
from cogpack.planning.steps.steps import Seen
from cogpack.progress import Cancellation
from cogpack.symlinks import follow
from cogpack.threads import each

_CHECK = "libraries/4"
"""Another one whenever the same wheels over the same layers would be found to lack something else."""
_READ = (CACHE, CONF)
_OF_NVIDIA = pattern(r"/usr/local/(?:nvidia|cuda(?:-[0-9.]+)?)(?:/.*)?")
_JOBS = min(4, os.cpu_count() or 1)


class LibrarySupply(msgspec.Struct, frozen=True, kw_only=True):
    """Says how the libraries of wheels are known, and the members of a layer that others made."""

    wheels: WheelLibraries
    members: Callable[[BaseLayer], Iterable[Listed]]
    cancellation: Cancellation

    def of(self, wheels: Sequence[WheelFile]) -> Sequence[tuple[WheelLibrary, ...]]:
        return each(self.wheels.of, wheels, jobs=_JOBS, name="library", cancellation=self.cancellation)

    def read(self, wheels: Sequence[WheelFile]) -> Iterable[WheelLibrary]:
        return chain.from_iterable(self.of(wheels))


class Libraries:
    """Tells of the libraries of an image. `wheels`: with how each is had; `below`: base and packages, which are made of
    `packages`; `versions`: of what every system has; `clashes`: which files of wheels are not in the image;
    `whole`: nothing brings libraries but these."""

    def __init__(
        self,
        wheels: Sequence[tuple[LockedWheel, Input]],
        below: Sequence[Seen],
        packages: Sequence[Input],
        supply: LibrarySupply,
        arch: str,
        versions: SystemVersions,
        *,
        clashes: Sequence[LockedClash] = (),
        whole: bool,
    ) -> None:
        self._wheels = wheels
        self._below = below
        self._packages = packages
        self._supply = supply
        self._arch = arch
        self._versions = versions
        self._lost = {(wheel, path) for clash in clashes for wheel in clash.over for path in clash.paths}
        self.whole = whole
        self._lower = Once(lambda: _read(below, supply.members))

    def plan_cache(self, maker: LayerMaker) -> MaybeLayer:
        """Plan the library cache, where wheels bring CUDA. It is made of packages, and wheels whose libraries nobody
        knows."""
        found = [(wheel, one) for wheel, one in self._wheels if has_system_libraries(wheel.filename)]
        if not found:
            return MaybeLayer()
        source = LibraryCacheSource(
            [_file(*one) for one in found],
            self._supply.read,
            ground=[layer.contents for layer in self._below],
            below=lambda path: self._lower().get(path),
            arch=self._arch,
        )
        layer = maker.compress(source)
        wanted = [one for wheel, one in found if self._supply.wheels.kept(wheel.sha256) is None]
        return MaybeLayer((layer,), {key_of(layer): (*self._packages, *wanted)})

    def lacking(self, *, fetch: bool = False) -> tuple[Unresolved, ...] | None:
        """Find what modules of wheels are linked with and nobody has. Without `fetch`, None where not all is here that
        tells it: who made the layers of the others has looked."""
        from cogpack.elf.file import MACHINES
        from cogpack.layers.debs.effects.ldcache_file import parse_cache
        from cogpack.layers.wheels.unresolved import System, unresolved

        if not self.whole:
            return None
        found = [(wheel, one) for wheel, one in self._wheels if not wheel.filename.endswith("-any.whl")]
        kept = self._supply.wheels
        question = sha256(
            encode(
                [
                    _CHECK,
                    [self._versions.glibc, self._versions.gcc],
                    [layer.contents for layer in self._below],
                    sorted(wheel.sha256 for wheel, _ in found),
                    sorted(self._lost),
                ]
            )
        )
        if (answer := kept.lacking(question)) is not None:
            return answer
        unread = [one for wheel, one in found if kept.kept(wheel.sha256) is None]
        if not fetch and not all(one.is_here() for one in unread):
            return None
        libraries = {
            f"{wheel.name} {wheel.version}": [one for one in read if (wheel.filename, one.path) not in self._lost]
            for (wheel, _), read in zip(found, self._supply.of([_file(*one) for one in found]), strict=True)
        }
        machine = MACHINES[self._arch]
        system = System(frozenset(), self._versions)
        if answer := unresolved(libraries, SITE, machine, system):  # else the base need not be looked at
            if not fetch and not all(one.is_here() for one in self._packages):
                return None
            cache = parse_cache(self._lower().get(CACHE, b""))
            system = System(frozenset(one.soname for one in cache.libraries), self._versions)
            answer = unresolved(libraries, SITE, machine, system)
        kept.found_lacking(question, answer)
        return answer

    def unsound(self, *, fetch: bool = False) -> Iterator[Unresolved]:
        """Find what wheels of publishers' own pages, which are compiled against torch, want of C++ and this torch does
        not have. Without `fetch`, nothing of what is not here."""
        from cogpack.elf.file import MACHINES
        from cogpack.layers.wheels.undefined import undefined_symbols
        from cogpack.resolve.wheels.elsewhere import is_public

        found = [(wheel, one) for wheel, one in self._wheels if not wheel.filename.endswith("-any.whl")]
        if not self.whole or not any(wheel.name == "torch" for wheel, _ in found):
            return
        kept = self._supply.wheels
        for wheel, one in found:
            if wheel.url is None or not is_public(wheel.url):
                continue
            others = [(other, its) for other, its in found if other != wheel]
            question = sha256(encode([_CHECK, wheel.sha256, sorted(other.sha256 for other, _ in others)]))
            answer = kept.lacking(question)
            if answer is None:
                if not fetch and not all(its.is_here() for _, its in [(wheel, one), *others]):
                    continue
                beside = [_file(*other) for other in others]
                lacks = undefined_symbols(_file(wheel, one), beside, kept.of, MACHINES[self._arch])
                name = f"{wheel.name} {wheel.version}"
                answer = tuple(Unresolved(name, by, "", symbol=symbol) for by, symbol in lacks)
                kept.found_lacking(question, answer)
            yield from answer


def names_libraries(base: Base) -> bool:
    """Tell whether the dynamic linker looks where the library cache may not: NVIDIA's images name directories of the
    driver, and those of CUDA, which the cache has."""
    paths = base.variables.get("LD_LIBRARY_PATH", "") if isinstance(base, RegistryBase) else ""
    return any(path and not _OF_NVIDIA.fullmatch(path) for path in paths.split(":"))


def is_library_cache(layer: Layer) -> bool:
    return isinstance(layer, BuiltLayer) and isinstance(layer.source, LibraryCacheSource)


def _file(wheel: LockedWheel, one: Input) -> WheelFile:
    return WheelFile(wheel.filename, wheel.sha256, one.file)


class _Made(Listed, frozen=True, array_like=True):
    """Is a member of a layer of our own, whose content is there to be read."""

    content: Content | None = None


def _read(layers: Sequence[Seen], members: Callable[[BaseLayer], Iterable[Listed]]) -> Mapping[str, bytes]:
    """Read the files of `_READ` as they are over all layers."""
    from cogpack.images.ground import apply_layer, links_of
    from cogpack.images.root_file_system import RootFileSystem, too_many

    files: RootFileSystem[Listed] = RootFileSystem(too_many("the layers below"))
    for layer in layers:
        match layer:
            case OpenLayer():
                raise AssertionError(f"{layer.name}: was not run")
            case StepsLayer():
                apply_layer(files, filter(_matters, members(layer.blob())))
            case BaseLayer():
                apply_layer(files, filter(_matters, members(layer)))
            case BuiltLayer() if not isinstance(layer.source, PackageSource):
                apply_layer(files, filter(_matters, map(_made, layer.source.entries())))

    links = links_of(files.entries)
    found = {path: _content(files.entries.get(follow(path, links) or "")) for path in _READ}
    return {path: data for path, data in found.items() if data is not None}


def _matters(member: Listed) -> bool:
    """Tell whether a member can say what the files of `_READ` are: they lie in /etc, with what they are linked to."""
    from cogpack.images.root_file_system import is_whiteout

    above, _, rest = member.path.partition("/")
    return above == "etc" or (not rest and is_whiteout(above))


def _made(entry: Entry) -> _Made:
    kind, link, content = "fifo", "", None
    match entry:
        case File():
            kind, content = "file", entry.content
        case Directory():
            kind = "directory"
        case Symlink():
            kind, link = "symlink", entry.target
        case HardLink():
            kind, link = "hardlink", entry.target
    path = entry.member if isinstance(entry, Whiteout) else entry.path
    return _Made(path, kind, 0, 0, 0, 0, link, content=content)


def _content(entry: Listed | None) -> bytes | None:
    if not isinstance(entry, _Made):
        return entry.data if entry else None
    if entry.content is None:
        return None
    with entry.content.open() as stream:
        return stream.read()
