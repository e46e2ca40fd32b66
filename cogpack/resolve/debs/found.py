"""What was found for a question is written down: over Debian's base, and over an image that others made."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import msgspec

from cogpack.lockfile.base_kinds import DebianRelease, LeftOut, LockedDeb, Present, SystemPackages
from cogpack.resolve.debs.archives.archive import Archive, locked_archive
from cogpack.resolve.debs.archives.suites import Suite
from cogpack.resolve.debs.over.installed import Installed
from cogpack.resolve.debs.question import BroughtDeb, DebQuestion
from cogpack.resolve.debs.solving.chains import chains, dependents
from cogpack.resolve.debs.solving.universe import DebCandidate


class ImagePackages(msgspec.Struct, frozen=True, kw_only=True):
    """Is what an image has of packages. `name`: of the image; `where`: likewise, with the place that names it;
    `archives`: those that its apt asks; `installed`: by name, those of its architecture."""

    name: str
    where: str
    archives: Sequence[Archive]
    installed: Mapping[str, Installed]

    def count(self, suites: Sequence[Suite]) -> int:
        """Tell how many of `suites` are of its own archives, which come first."""
        return sum(one.archive in self.archives for one in suites)


class FoundDebs(msgspec.Struct, frozen=True, kw_only=True):
    """Is what was found in `suites`: `solution`, all that is installed then. `there`: names of what the base has, but
    of an image those that another version takes the place of; `image`: None for Debian's base."""

    question: DebQuestion
    suites: Sequence[Suite]
    solution: Sequence[DebCandidate]
    there: Collection[str]
    image: ImagePackages | None = None

    def system_packages(
        self,
        asked: Mapping[str, str],
        added: Sequence[DebCandidate],
        left_out: tuple[LeftOut, ...],
        laid: SystemPackages | None = None,
    ) -> SystemPackages:
        """Lock what was `added`, and name those that dpkg is to install, of these and of what was `laid` before: what
        needs one of them is among them. `asked`: the package that each request means."""
        ways = chains(self.solution, asked.values(), self.there, recommends=self.question.recommends)
        needed = chains(self.solution, asked.values(), self.there)
        requested = [candidate for candidate in self.solution if candidate.name in asked.values()]
        packages = tuple(
            self.locked(one, requested=one in requested, recommended=one.name in ways and one.name not in needed)
            for one in added
        )
        # What nobody's request brings is the base's, of Debian's; of an image, it is newer for security.
        new = [deb for deb in packages if self.image or deb.name in ways]
        places = {asked[request]: place for request, place in self.question.places.items() if request in asked}
        named = {*self.question.examine(self._brought(new, ways), places), *(laid.dpkg if laid else ())}
        over = {deb.name for deb in (*new, *(laid.packages if laid else ()))}
        found = SystemPackages(
            releases=tuple(dict.fromkeys(map(self.release, self.suites))) if packages else (),
            packages=packages,
            recommends=self.question.recommends and bool(self.question.requests),
            left_out=left_out,
            present=self._present(asked) if self.image else (),
        )
        return msgspec.structs.replace(
            self._beside(laid, found) if laid else found,
            dpkg=tuple(sorted(dependents(self.solution, named) & over)),
            archives=tuple(map(locked_archive, self.question.archives)),
        )

    def _present(self, asked: Mapping[str, str]) -> tuple[Present, ...]:
        """Give what was asked for and is there."""
        versions = {one.name: one.package.version for one in self.solution if one.name in self.there}
        return tuple(Present(name, versions[name]) for name in sorted({*asked.values()} & versions.keys()))

    def _beside(self, laid: SystemPackages, more: SystemPackages) -> SystemPackages:
        """Give `laid` with what was found over it, some of it perhaps in the place of what it has."""
        before = {deb.name: deb for deb in laid.packages}
        new = {deb.name: deb for deb in more.packages}
        asked = {one.name for one in (*laid.present, *more.present)}

        def flagged(deb: LockedDeb) -> LockedDeb:
            old = before.get(deb.name)
            requested = deb.requested or deb.name in asked or (old is not None and old.requested)
            return msgspec.structs.replace(deb, requested=requested)

        packages = tuple(flagged(deb) for _, deb in sorted((before | new).items()))
        there = {one.name: one for one in (*laid.present, *more.present) if one.name not in before | new}
        return msgspec.structs.replace(
            laid,
            recommends=laid.recommends or more.recommends,
            left_out=tuple(dict.fromkeys((*laid.left_out, *more.left_out))),
            releases=self.releases_after(laid.releases, laid.packages, packages) if before else more.releases,
            packages=packages,
            present=tuple(one for _, one in sorted(there.items())),
        )

    def taken_on(self, kept: SystemPackages, packages: tuple[LockedDeb, ...]) -> SystemPackages:
        """Give `kept` with these `packages`, some of them newer."""
        new = [deb for deb in packages if deb not in kept.packages]
        ways = chains(self.solution, [deb.name for deb in packages if deb.requested], self.there)
        named = {*kept.dpkg, *self.question.examine(self._brought(new, ways), {})}
        left = dependents(self.solution, named) & {deb.name for deb in packages}
        releases = self.releases_after(kept.releases, kept.packages, packages)
        return msgspec.structs.replace(kept, releases=releases, packages=packages, dpkg=tuple(sorted(left)))

    def locked(self, candidate: DebCandidate, *, requested: bool, recommended: bool = False) -> LockedDeb:
        """Lock a package of an archive, and of an image the version that it takes the place of."""
        package = candidate.package
        old = self.image.installed.get(package.name) if self.image else None
        return LockedDeb(
            name=package.name,
            version=package.version,
            arch=package.arch,
            archive=self.suites[candidate.index].archive.name,
            path=package.path,
            size=package.size,
            sha256=package.sha256,
            essential=package.essential,
            requested=requested,
            recommended=recommended,
            instead_of=old.version if old else "",
        )

    def locked_again(self, candidates: Sequence[DebCandidate], kept: Sequence[LockedDeb]) -> tuple[LockedDeb, ...]:
        """Lock packages; why they are there has not changed since they were `kept`."""
        before = {deb.name: deb for deb in kept}
        olds = [before.get(one.name) for one in candidates]
        return tuple(
            self.locked(one, requested=bool(old and old.requested), recommended=bool(old and old.recommended))
            for one, old in zip(candidates, olds, strict=True)
        )

    def release(self, suite: Suite) -> DebianRelease:
        """Lock a Release, with the keys that the image has for it."""
        if self.image is None:
            return suite.locked
        keyring = hashlib.sha256(suite.archive.keys.data).hexdigest()
        return msgspec.structs.replace(suite.locked, keyring=f"sha256:{keyring}")

    def releases_after(
        self, before: Sequence[DebianRelease], was: Sequence[LockedDeb], packages: Sequence[LockedDeb]
    ) -> tuple[DebianRelease, ...]:
        """List the Releases that packages came from: those of before as long as the new ones lack something of them."""
        found: list[DebianRelease] = []
        for archive in dict.fromkeys(one.archive.name for one in self.suites):
            own = [deb for deb in packages if deb.archive == archive]
            new = [one for one in self.suites if one.archive.name == archive]
            old = [release for release in before if release.archive == archive]
            listed = {package.sha256 for deb in own for one in new for package in one.index.packages(deb.name)}
            if set(own) <= set(was):
                found += old
            elif {deb.sha256 for deb in own} <= listed:
                found += map(self.release, new)
            else:
                found += [*old, *map(self.release, new)]
        return tuple(dict.fromkeys(found)) if packages else ()

    def _brought(self, new: Sequence[LockedDeb], ways: Mapping[str, tuple[str, ...]]) -> Sequence[BroughtDeb]:
        there = self.image.installed if self.image else {}
        return [BroughtDeb(deb, ways.get(deb.name, (deb.name,)), there.get(deb.name)) for deb in new]
