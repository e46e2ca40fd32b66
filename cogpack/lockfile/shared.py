"""What all platforms of a lock have alike stands in its text once, in `[shared]`; a lock of one platform has no such
part."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cogpack.config import PLATFORMS

NAME = "shared"
_LISTS = ("wheels", "build_requirements", "replaced", "fetches", "hub_revisions", "hub_files")
"""Keys of decisions, of lists in the order of what their items begin with."""


def with_shared(document: Mapping[str, Any]) -> dict[str, Any]:
    """Move what all platforms have into a part of its own. A list that could not be put together again stays."""
    platforms: dict[str, dict[str, Any]] = {name: dict(found) for name, found in document["platforms"].items()}
    shared: dict[str, list[Any]] = {}
    for key in _LISTS if len(platforms) > 1 else ():
        wholes = [list(found.get(key) or ()) for found in platforms.values()]
        common = set.intersection(*({_name(item) for item in whole} for whole in wholes))
        alike = [item for item in wholes[0] if _name(item) in common]
        rests = [[item for item in whole if _name(item) not in common] for whole in wholes]
        if alike and all(_merged(alike, rest) == whole for rest, whole in zip(rests, wholes, strict=True)):
            shared[key] = alike
            for found, rest in zip(platforms.values(), rests, strict=True):
                found.pop(key)
                found |= {key: rest} if rest else {}
    if not shared:
        return dict(document)
    head = {key: value for key, value in document.items() if key not in ("platforms", "weights", "results")}
    return {**head, NAME: shared, **{key: value for key, value in document.items() if key not in head}} | {
        "platforms": platforms
    }


def without_shared(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give each platform what all have; `ValueError` of what we could not have written."""
    found = {key: value for key, value in document.items() if key != NAME}
    shared, platforms = document.get(NAME), document.get("platforms")
    if isinstance(platforms, dict):  # before all that is shared is multiplied by their number
        for name in platforms:
            if name not in PLATFORMS:
                raise ValueError(_unknown(name, "platforms"))
    if shared is None:
        return found
    if not isinstance(shared, dict) or not isinstance(platforms, dict):
        raise ValueError(f"{NAME} is no table beside platforms")
    for key, alike in shared.items():
        if key not in _LISTS:
            raise ValueError(_unknown(key, NAME))
        if not isinstance(alike, list):
            raise ValueError(f"{NAME}.{key} is no list")
        for one in platforms.values():
            own = one.get(key, []) if isinstance(one, dict) else None
            if not isinstance(own, list) or not all(isinstance(item, dict) for item in (*alike, *own)):
                raise ValueError(f"{NAME}.{key} is no list of tables")
            one[key] = _merged(alike, own)
    return found


def _unknown(key: str, where: str) -> str:
    """Say it in the words of msgspec, by which a lock of a newer cogpack is known."""
    return f"Object contains unknown field `{key}` - at `$.{where}`"


def _name(item: Any) -> bytes:
    return msgspec.json.encode(item)


def _merged(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    return sorted([*first, *second], key=lambda item: [str(value) for value in item.values()])
