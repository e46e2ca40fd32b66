"""Who needs whom among packages: who brought one that nobody asked for, and who needs one."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence

from cogpack.resolve.debs.solving.relation import Relation, parse_relations
from cogpack.resolve.debs.solving.universe import DebCandidate


def chains(
    solution: Sequence[DebCandidate], asked: Iterable[str], base: Collection[str], *, recommends: bool = False
) -> dict[str, tuple[str, ...]]:
    """Find the shortest way from one of `asked` to each package of `solution` that is not one of `base`.

    Both ends are included. All are names of packages. `recommends`: what is recommended is a way, too.
    """
    ways = _ways(_needs(solution, recommends=recommends), asked)
    return {name: way for name, way in ways.items() if name not in base}


def dependents(solution: Sequence[DebCandidate], named: Iterable[str]) -> set[str]:
    """Give the `named` packages and those of `solution` that need one of them, at whatever remove."""
    needing: dict[str, list[str]] = {candidate.name: [] for candidate in solution}
    for name, needs in _needs(solution).items():
        for needed in needs:
            needing[needed].append(name)
    return set(_ways(needing, named))


def _ways(needs: Mapping[str, Sequence[str]], roots: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {root: (root,) for root in roots if root in needs}
    queue = deque(found)
    while queue:
        name = queue.popleft()
        for needed in needs[name]:
            if needed not in found:
                found[needed] = (*found[name], needed)
                queue.append(needed)
    return found


def _needs(solution: Sequence[DebCandidate], *, recommends: bool = False) -> dict[str, list[str]]:
    """Give, by package, those of the solution that satisfy one of its dependencies, or of what it `recommends`."""
    taken = {candidate.name: candidate for candidate in solution}
    provided: dict[str, list[tuple[Relation, str]]] = {}
    for candidate in solution:
        for group in parse_relations(candidate.package.provides):
            provided.setdefault(group[0].name, []).append((group[0], candidate.name))

    def satisfying(relation: Relation) -> Iterable[str]:
        real = taken.get(relation.name)
        if real is not None and relation.allows(real.package.version):
            yield real.name
        yield from (name for word, name in provided.get(relation.name, ()) if relation.allows_provided(word))

    return {
        candidate.name: [
            name
            for group in (*candidate.needs, *(candidate.recommends if recommends else ()))
            for relation in group
            for name in satisfying(relation)
        ]
        for candidate in solution
    }
