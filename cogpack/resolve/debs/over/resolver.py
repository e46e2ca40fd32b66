"""Requests for packages are resolved over an image that others made, with what its own archives have now."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import SystemPackages
from cogpack.resolve.debs.archives.suites import Suite, SuiteReader, indexes_of
from cogpack.resolve.debs.found import FoundDebs, ImagePackages
from cogpack.resolve.debs.over.installed import InstalledIndex
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.security import LockedUniverse, security_indexes
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe


def resolve_over(
    question: DebQuestion,
    reader: SuiteReader,
    image: ImagePackages,
    *,
    upgraded: Collection[str] = (),
    instead: Mapping[str, Sequence[str]] = {},
    optional: Collection[str] = (),
    kept: SystemPackages | None = None,
) -> SystemPackages:
    """Choose what is asked for over `image`. What it has stays as it is, unless a request names it, or something needs
    a newer one, or it is one of `upgraded`, of which the image's security archive still has a newer one. `instead`: by
    request, names of which the first will do that there is, where there is none of that name; `optional`: requests that
    are left out where there is no such package; `kept`: packages over the image that stay as what it has does, and are
    given with the new ones."""
    question.check()
    task = reader.task(f"{image.name}: {', '.join(question.requests)}")
    suites = reader.read([*image.archives, *question.archives], task)
    there = InstalledIndex(image.installed.values(), where=image.where)
    indexes, names, reluctant = indexes_of(suites)
    universe = Universe([*indexes, there], [*names, "base"], reluctant)
    requests = [next(filter(universe.candidates, (one, *instead.get(one, ()))), one) for one in question.requests]
    requests = [one for one in requests if one not in optional or _is_there(universe, one)]
    laid = _laid(kept, suites)
    base = [DebCandidate(package, len(suites)) for package in there.all() if package.name not in laid]
    base += laid.values()
    question = msgspec.structs.replace(question, requests=requests)
    question = question.of(universe, f"the archives of {image.name} have", reader.http.progress)
    asked = {request: universe.request(request).name for request in question.requests}
    with question.placing():
        fixes = newer_of_security(universe, filter(image.installed.__contains__, upgraded), image, suites)
        new = [request for request, name in asked.items() if name not in laid]
        solved = solve(universe, [*new, *fixes], base=base, recommends=question.recommends, upgrades=True)
    task.done("resolved")
    moved = {candidate.name for candidate in solved.packages}
    stays = {candidate.name: candidate for candidate in base if candidate.name not in moved}
    solution = [*stays.values(), *solved.packages]
    found = FoundDebs(question=question, suites=suites, solution=solution, there=stays.keys(), image=image)
    return found.system_packages(asked, solved.packages, solved.left_out, kept)


def _laid(kept: SystemPackages | None, suites: Sequence[Suite]) -> Mapping[str, DebCandidate]:
    """Give its packages by name, as the solver has what is there. Of a version that the archives have dropped since, it
    is not known what it needs: it stays all the same."""
    packages = kept.packages if kept else ()
    universe = LockedUniverse(suites, packages, (), security=())
    return {deb.name: universe.candidates(deb.name)[0] for deb in packages}


def _is_there(universe: Universe, request: str) -> bool:
    if universe.successors(request):
        return True
    try:
        universe.request(request)
    except InputError:
        return False
    return True


def newer_of_security(
    universe: Universe, names: Iterable[str], image: ImagePackages, suites: Sequence[Suite]
) -> list[str]:
    """Give those of `names`, packages that the image has, of which its security archive has a newer version."""
    security = security_indexes(suites[: image.count(suites)])
    return [
        name
        for name in names
        if any(
            one.index in security and version_key(one.package.version) > version_key(image.installed[name].version)
            for one in universe.candidates(name)
        )
    ]
