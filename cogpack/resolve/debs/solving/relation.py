"""Packages name each other in relations: `Depends`, `Conflicts`, `Provides` and their like (Debian Policy 7.1)."""

import operator
import re
from functools import lru_cache
from typing import TypeAlias

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError

_RELATION = re.compile(
    r"\s*+([A-Za-z0-9][A-Za-z0-9+.-]*+)(?::[a-z0-9-]++)?\s*+"
    r"(?:\(\s*+(<<|<=|=|>=|>>|<|>)\s*+([0-9A-Za-z.+:~-]++)\s*+\))?\s*+"
)
# A lone < or > means <= or >= (Policy 7.1, obsolete but legal).
_COMPARE = {
    "<<": operator.lt,
    "<=": operator.le,
    "<": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.ge,
    ">>": operator.gt,
}


class Relation(msgspec.Struct, frozen=True):
    """Asks for one `name (operator version)`; without a version any will do.

    An architecture qualifier is dropped: there is one architecture, and `:any` asks for nothing more than it.
    """

    name: str
    operator: str = ""
    version: str = ""

    def allows(self, version: str) -> bool:
        """Tell whether a real package of this version satisfies it."""
        return not self.operator or bool(_COMPARE[self.operator](version_key(version), version_key(self.version)))

    def allows_provided(self, provided: "Relation") -> bool:
        """Tell whether `Provides: name (= version)` satisfies it: without a version, only an unversioned relation."""
        return not self.operator or (provided.operator == "=" and self.allows(provided.version))

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


Group: TypeAlias = tuple[Relation, ...]
"""Holds alternatives: one of them must hold."""


@lru_cache(maxsize=8192)
def parse_relations(field: str) -> tuple[Group, ...]:
    """Split a relation field into its groups: all must hold, and of each group one alternative."""
    return tuple(
        tuple(_parse(alternative, field) for alternative in group.split("|"))
        for group in field.split(",")
        if group.strip()
    )


def _parse(text: str, field: str) -> Relation:
    matched = _RELATION.fullmatch(text)
    if matched is None:
        raise InputError(
            f"package index: {text.strip()!r:.80} in {field!r:.120} is not a package relation",
            next_step="use another Debian mirror: set COGPACK_DEBIAN_MIRROR",
        )
    name, operation, version = matched.groups()
    return Relation(name, operation or "", version or "")
