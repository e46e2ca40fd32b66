"""JSON that others wrote, held to one reading.

Parsers differ over a key that comes twice in an object: some take the first, some the last (containerd's
CVE-2021-41190). And Go's encoding/json, in which Docker, containerd, podman and most registries are written, takes a
key for a field's whatever its case: to them `Layers` is `layers`, and the last of both counts. So neither may be in a
document by which anything is decided. Keys that users choose (annotations, labels) are told apart by case in Go, too.
"""

import json
from functools import cache
from typing import Any, NoReturn

import msgspec
from msgspec import inspect

_FOLDED = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)} | {"ſ": "s", "K": "k"})
"""What encoding/json makes of a name before it compares: ASCII without case, and U+017F and U+212A are s and k."""


class _Shape(msgspec.Struct, frozen=True):
    """What is known of an object's keys: `fields` has, by folded name, the name of a field and the shape of its value.
    Of a list, or an object whose keys are anybody's, `items` is the shape of each."""

    fields: dict[str, tuple[str, "_Shape | None"]] | None = None
    items: "_Shape | None" = None


def check(data: bytes, kind: Any) -> Any:
    """Return the values of the JSON text `data`, which is to be read as the type `kind`. `ValueError` where another
    parser could find something else in it, or where it is no JSON; `RecursionError` where it is too deep."""
    found = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    _check_spelling(found, _shape(kind))
    return found


def folded(key: str) -> str:
    """Fold a key, so that all that encoding/json takes for one another become the same."""
    return key.translate(_FOLDED)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!a:.100} comes twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _check_spelling(value: Any, shape: _Shape | None) -> None:
    """Refuse keys of an object with fields that pass for one of them, or for another key, when case does not count."""
    if shape is None:
        return
    if isinstance(value, list):
        for item in value:
            _check_spelling(item, shape.items)
    elif isinstance(value, dict) and shape.fields is None:
        for item in value.values():
            _check_spelling(item, shape.items)
    elif isinstance(value, dict) and shape.fields is not None:
        met: dict[str, str] = {}
        for key, item in value.items():
            plain = folded(key)
            name, inner = shape.fields.get(plain, (key, None))
            if met.setdefault(plain, key) != key or name != key:
                other = met[plain] if met[plain] != key else name
                raise ValueError(f"the key {key!a:.100} is {other!a:.100} to a parser that ignores case")
            _check_spelling(item, inner)


@cache
def _shape(kind: Any) -> _Shape | None:
    return _shape_of(inspect.type_info(kind))


def _shape_of(kind: inspect.Type) -> _Shape | None:
    """Return the shape of a type; None where nothing below it has fields."""
    if isinstance(kind, inspect.StructType):
        return _Shape(
            fields={folded(field.encode_name): (field.encode_name, _shape_of(field.type)) for field in kind.fields}
        )
    if isinstance(kind, inspect.UnionType):
        return next(filter(None, map(_shape_of, kind.types)), None)
    if isinstance(kind, inspect.DictType):
        inner = _shape_of(kind.value_type)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        inner = _shape_of(kind.item_type)
    else:
        inner = None
    return None if inner is None else _Shape(items=inner)
