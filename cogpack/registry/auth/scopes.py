"""A scope says what a token is asked to allow: `repository:NAME:pull,push` (distribution, docs/spec/auth/scope)."""

from collections.abc import Iterable

MOST = 4
"""Scopes in one token: of more, its address would be longer than servers take."""


def merged(*groups: Iterable[str]) -> tuple[str, ...]:
    """Make one scope a resource, with the actions of all, in their order: so the first group's come first."""
    actions: dict[str, dict[str, None]] = {}
    for group in groups:
        for scope in group:
            resource, colon, wanted = scope.rpartition(":")
            if colon:
                actions.setdefault(resource, {}).update(dict.fromkeys(wanted.split(",")))
    return tuple(f"{resource}:{','.join(wanted)}" for resource, wanted in actions.items())[:MOST]


def right(scope: str) -> tuple[str, str]:
    """Say for people what the scope allows: ("push to", "a/b")."""
    resource, _, actions = scope.rpartition(":")
    return ("push to" if "push" in actions.split(",") else "pull from"), resource.partition(":")[2]
