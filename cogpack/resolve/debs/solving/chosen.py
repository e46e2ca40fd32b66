"""The packages that are chosen so far, and what they make of each other."""

from collections.abc import Iterator

from cogpack.resolve.debs.solving.relation import Group, Relation, parse_relations
from cogpack.resolve.debs.solving.universe import DebCandidate


class ChosenPackages:
    """Holds them by name, in `packages`."""

    def __init__(self) -> None:
        self.packages: dict[str, DebCandidate] = {}
        self._provided: dict[str, list[DebCandidate]] = {}
        self._excluded: dict[str, list[tuple[Relation, DebCandidate]]] = {}

    def choose(self, candidate: DebCandidate) -> None:
        package = candidate.package
        self.packages[package.name] = candidate
        for group in parse_relations(package.provides):
            self._provided.setdefault(group[0].name, []).append(candidate)
        for relation in candidate.excludes:
            self._excluded.setdefault(relation.name, []).append((relation, candidate))

    def drop(self, candidate: DebCandidate) -> None:
        package = candidate.package
        del self.packages[package.name]
        for group in parse_relations(package.provides):
            self._provided[group[0].name].remove(candidate)
        for relation in candidate.excludes:
            self._excluded[relation.name].remove((relation, candidate))

    def meeting(self, relation: Relation) -> Iterator[DebCandidate]:
        """Give the chosen packages that satisfy it."""
        real = self.packages.get(relation.name)
        if real is not None and relation.allows(real.package.version):
            yield real
        for candidate in self._provided.get(relation.name, ()):
            if candidate != real and any(map(relation.allows_provided, candidate.provided(relation.name))):
                yield candidate

    def meets(self, group: Group) -> bool:
        return any(True for relation in group for _ in self.meeting(relation))

    def rivals(self, candidate: DebCandidate) -> list[DebCandidate]:
        """Give the chosen packages that can't be beside it, by its own word or by theirs."""
        package = candidate.package
        found = [rival for relation in candidate.excludes for rival in self.meeting(relation)]
        found += [owner for relation, owner in self._excluded.get(package.name, ()) if relation.allows(package.version)]
        for group in parse_relations(package.provides):
            excluded = self._excluded.get(group[0].name, ())
            found += [owner for relation, owner in excluded if relation.allows_provided(group[0])]
        return list({rival.name: rival for rival in found if rival.name != package.name}.values())


def exclude(one: DebCandidate, other: DebCandidate) -> bool:
    """Tell whether they can't be beside each other, by the word of one of them."""
    return any(
        relation.name == named.name and relation.allows(named.package.version)
        for owner, named in ((one, other), (other, one))
        for relation in owner.excludes
    )
