"""Variables, labels and the way the container starts are compared: name by name, as text."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

SETTINGS = ("Entrypoint", "Cmd", "WorkingDir", "User", "ExposedPorts", "Volumes", "StopSignal", "Healthcheck", "Shell")
"""Keys of image-spec config.md, `config`, besides variables and labels."""


class ComparedText(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a name whose text is not the same in both; None where it is not there."""

    name: str
    before: str | None
    after: str | None


def compare_texts(
    before: Mapping[str, str], after: Mapping[str, str], *, without: Collection[str] = ()
) -> tuple[ComparedText, ...]:
    return tuple(
        ComparedText(name=name, before=before.get(name), after=after.get(name))
        for name in sorted((before.keys() | after.keys()) - set(without))
        if before.get(name) != after.get(name)
    )


def variables(execution: Mapping[str, Any]) -> dict[str, str]:
    """Read `Env` of a config that anybody made."""
    listed = execution.get("Env")
    found = (pair.partition("=") for pair in listed if isinstance(pair, str)) if isinstance(listed, Sequence) else ()
    return {name: value for name, _, value in found}


def settings(execution: Mapping[str, Any]) -> dict[str, str]:
    """Read the others: text as it is, else as JSON has it; what is empty is not there."""
    given = {name: execution.get(name) for name in SETTINGS}
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in given.items()
        if value not in (None, "", [], {})
    }


def texts(found: object) -> dict[str, str]:
    """Read labels or annotations."""
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, str)}
