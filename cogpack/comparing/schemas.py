"""Schemas of two images are compared for who calls the model: what breaks a call that worked, and what does not.

A call sends inputs and reads the output. An input that takes less breaks it, and so does an output that gives more
kinds of values; an input that takes more breaks nothing. Titles, descriptions and the order of inputs change no call.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from cogpack.runtime.labelled_schema import Signature, mapping, read_signature

Spec = Mapping[str, Any]
Change = tuple[str, bool]
"""In words, and whether it breaks calls."""

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


_PARTS = (
    ("input", "output", "Input", "Output"),
    ("training input", "training output", "TrainingInput", "TrainingOutput"),
)


class ComparedSchema(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of an input or the output. `changes`: in words; `breaking`: calls that worked may fail or be understood
    otherwise; `before` and `after`: its part of the schema, None where it is not there."""

    part: Literal["input", "output", "training input", "training output"]
    name: str
    breaking: bool
    changes: tuple[str, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def compare_schemas(before: str | None, after: str | None) -> tuple[ComparedSchema, ...]:
    """Compare two OpenAPI documents, each None where an image has none."""
    found: list[ComparedSchema] = []
    for input_word, output_word, takes, gives in _PARTS:
        old, new = (read_signature(text, takes=takes, gives=gives) for text in (before, after))
        for name in (*new.inputs, *(name for name in old.inputs if name not in new.inputs)):
            changes = list(_input(name, old, new))
            found += _compared(input_word, name, changes, old.inputs.get(name), new.inputs.get(name))
        found += _compared(output_word, "output", list(_output(old.output, new.output)), old.output, new.output)
    return tuple(found)


def _compared(
    part: Any, name: str, changes: list[Change], before: dict[str, Any] | None, after: dict[str, Any] | None
) -> Iterator[ComparedSchema]:
    if changes:
        yield ComparedSchema(
            part=part,
            name=name,
            breaking=any(breaking for _, breaking in changes),
            changes=tuple(text for text, _ in changes),
            before=before or None,
            after=after or None,
        )


def _input(name: str, before: Signature, after: Signature) -> Iterator[Change]:
    old, new = before.inputs.get(name), after.inputs.get(name)
    needed, needs = name in before.required, name in after.required
    if new is None or old is None:
        if new is not None:
            yield ("added, required", True) if needs else ("added, optional", False)
        else:
            yield "removed", True
        return
    if needed != needs:
        yield ("became required", True) if needs else ("became optional", False)
    yield from _narrowed(old, new)
    if old.get("default") != new.get("default") and needed == needs:
        yield f"default {_shown(old.get('default'))} -> {_shown(new.get('default'))}", False
    if bool(old.get("deprecated")) != bool(new.get("deprecated")):
        yield ("deprecated" if new.get("deprecated") else "no longer deprecated"), False


def _narrowed(old: Spec, new: Spec) -> Iterator[Change]:
    """Tell what values are taken of `new` and not of `old`, and the other way round."""
    if (before := kinds(old)) != (after := kinds(new)):
        wider = before <= after or ("integer" in before and before - {"integer"} | {"number"} <= after)
        yield f"{_kinds_text(before)} -> {_kinds_text(after)}", not wider
        if not wider:
            return
    elif "items" in old or "items" in new:
        for text, breaking in _narrowed(mapping(old, "items"), mapping(new, "items")):
            yield f"of its items: {text}", breaking
    yield from _choices(old, new, gone="choices removed", come="choices added", fewer=True)
    for key in (*_LOWER, *_UPPER):
        low, high = old.get(key), new.get(key)
        if low != high:
            looser = high is None or (_number(low) and _number(high) and (high < low) == (key in _LOWER))
            yield f"{key} {_shown(low)} -> {_shown(high)}", not looser
    if old.get("pattern") != new.get("pattern"):
        yield f"pattern {_shown(old.get('pattern'))} -> {_shown(new.get('pattern'))}", new.get("pattern") is not None


def _output(old: Spec, new: Spec) -> Iterator[Change]:
    if not old or not new:
        if old or new:
            yield ("added", False) if new else ("removed", True)
        return
    if (before := kinds(old)) != (after := kinds(new)):
        yield f"{_kinds_text(before)} -> {_kinds_text(after)}", not after <= before
    elif "items" in old or "items" in new:
        for text, breaking in _output(mapping(old, "items"), mapping(new, "items")):
            yield f"of its items: {text}", breaking
    streamed = [spec.get("x-cog-array-type") == "iterator" for spec in (old, new)]
    if streamed[0] != streamed[1]:
        yield ("became a stream" if streamed[1] else "is no stream any more"), False
    yield from _choices(old, new, gone="values removed", come="values added", fewer=False)
    fields, others = mapping(old, "properties"), mapping(new, "properties")
    for name in (*others, *(name for name in fields if name not in others)):
        if name not in others or name not in fields:
            yield (f"field {name} removed", True) if name not in others else (f"field {name} added", False)
        else:
            for text, breaking in _output(mapping(fields, name), mapping(others, name)):
                yield f"field {name}: {text}", breaking


def _choices(old: Spec, new: Spec, *, gone: str, come: str, fewer: bool) -> Iterator[Change]:
    """Compare lists of allowed values. `fewer`: to have fewer of them breaks, as of an input, else to have more."""
    before, after = old.get("enum"), new.get("enum")
    if not isinstance(before, list) or not isinstance(after, list):
        if isinstance(before, list) != isinstance(after, list):
            yield ("any value -> choices", fewer) if isinstance(after, list) else ("choices -> any value", not fewer)
        return
    if removed := _apart(before, after):
        yield f"{gone}: {', '.join(map(_shown, removed))}", fewer
    if added := _apart(after, before):
        yield f"{come}: {', '.join(map(_shown, added))}", not fewer


def _apart(values: list[Any], others: list[Any]) -> list[Any]:
    known = set(map(_comparable, others))
    return [value for value in values if _comparable(value) not in known]


def _comparable(value: Any) -> object:
    """Give what a set can hold in its place: JSON's true is not 1, as Python's is."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else (isinstance(value, bool), value)


def kinds(spec: Spec) -> frozenset[str]:
    """Give the kinds of values that a part of a schema allows: `integer`, `file`, `list`, `null` ..."""
    either = spec.get("anyOf")
    found: set[str] = set()
    if isinstance(either, list) and either:
        for one in either:
            found |= kinds(one) if isinstance(one, dict) else {"any"}
    else:
        kind = spec.get("type")
        form = spec.get("format") if kind == "string" else None
        named = {"uri": "file", "password": "secret"}.get(form if isinstance(form, str) else "")
        found.add(named or ("list" if kind == "array" else kind if isinstance(kind, str) else "any"))
    return frozenset(found | ({"null"} if spec.get("nullable") is True else set()))


def _kinds_text(found: frozenset[str]) -> str:
    return " or ".join(sorted(found - {"null"})) + (" or null" if "null" in found else "")


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _shown(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) and value.strip() else json.dumps(value)
