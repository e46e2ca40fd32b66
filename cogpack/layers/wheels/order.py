"""The order in which pip installs wheels: of two that hold one path, the later one has it in the end.

pip goes in rounds: first what needs nothing, then what needs only that, and so on; Python counts where a wheel says
which it needs. Within a round names go from Z to A. Packages that need each other, which pip takes "at arbitrary
points", share a round here.
"""

from collections.abc import Iterator, Mapping

import msgspec
from installer import utils  # never of its parts: threads that begin with two of them deadlock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_PYTHON = "<python>"


class Needs(msgspec.Struct, frozen=True):
    """Holds what a wheel's METADATA says that it needs: `Requires-Dist` and `Requires-Python`."""

    requires: tuple[str, ...]
    python: str = ""


def parse_needs(metadata: str) -> Needs:
    found = utils.parse_metadata_file(metadata)
    return Needs(tuple(map(str, found.get_all("Requires-Dist", []))), str(found.get("Requires-Python", "")).strip())


def needed_names(needs: Needs) -> Iterator[str]:
    """Give all packages that it may need, with any extra and any Python."""
    for requirement in _requirements(needs):
        yield canonicalize_name(requirement.name)


def install_order(needs: Mapping[str, Needs], environment: Mapping[str, str]) -> list[str]:
    """Sort the names of `needs`, normalised, as pip does for the markers' `environment`. Others that they need count as
    nothing."""
    edges = _graph(needs, environment)
    reach = {node: _reachable(node, edges) for node in edges}
    left = set(edges)
    order: list[str] = []
    while left:
        # What needs nothing that is left, or only what needs it as well.
        leaves = {node for node in left if all(node in reach[other] for other in reach[node] & left)}
        order += sorted(leaves & needs.keys(), reverse=True)
        left -= leaves
    return order


def _graph(needs: Mapping[str, Needs], environment: Mapping[str, str]) -> dict[str, set[str]]:
    """Make the graph as pip does: a package with extras is a node, which needs the package and what they bring."""
    edges: dict[str, set[str]] = {_PYTHON: set()}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in needs]
    while waiting:
        name, extras = waiting.pop()
        if (node := _node(name, extras)) in edges:
            continue
        edges[node] = {name} if extras else {_PYTHON} if needs[name].python else set()
        for requirement in _requirements(needs[name]):
            contexts = [{**environment, "extra": extra} for extra in extras or {""}]
            if requirement.marker and not any(requirement.marker.evaluate(context) for context in contexts):
                continue
            other = canonicalize_name(requirement.name)
            if other in needs:
                found = frozenset(canonicalize_name(extra) for extra in requirement.extras)
                edges[node].add(_node(other, found))
                waiting.append((other, found))
    return edges


def _node(name: str, extras: frozenset[str]) -> str:
    return f"{name}[{','.join(sorted(extras))}]" if extras else name


def _requirements(needs: Needs) -> Iterator[Requirement]:
    for line in needs.requires:
        try:
            yield Requirement(line)
        except (InvalidRequirement, RecursionError):  # who resolved it read it in another way; an order needs less
            continue


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in edges[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found
