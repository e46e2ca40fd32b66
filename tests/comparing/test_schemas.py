"""What of a changed model breaks the calls that it had, and what does not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.comparing.schemas import ComparedSchema, compare_schemas
from cogpack.runtime.labelled_schema import read_signature

TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 1, "maximum": 5}
CHOICE = {"allOf": [{"$ref": "#/components/schemas/mode"}]}


def document(
    inputs: dict[str, Any] | None = None, *, required: list[str] | None = None, output: Any = None, **more: Any
) -> str:
    schemas = {"Input": {"properties": inputs or {}, "required": required or []}, **more}
    return json.dumps({"components": {"schemas": schemas | ({"Output": output} if output else {})}})


def enum(*values: str) -> dict[str, Any]:
    return {"mode": {"type": "string", "enum": list(values)}}


def of_input(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, bool]:
    (found,) = compare_schemas(document({"x": before}), document({"x": after}))
    assert (found.part, found.name) == ("input", "x")
    return "; ".join(found.changes), found.breaking


@pytest.mark.parametrize(
    ("before", "after", "changes", "breaking"),
    [
        (TEXT, {"type": "integer"}, "string -> integer", True),
        ({"type": "integer"}, {"type": "number"}, "integer -> number", False),
        ({"type": "number"}, {"type": "integer"}, "number -> integer", True),
        (TEXT, TEXT | {"nullable": True}, "string -> string or null", False),
        (TEXT | {"nullable": True}, TEXT, "string or null -> string", True),
        (TEXT, TEXT | {"format": "uri"}, "string -> file", True),
        (TEXT, {"anyOf": [TEXT, {"type": "integer"}]}, "string -> integer or string", False),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": NUMBER}, "of its items: string -> integer", True),
        (NUMBER, NUMBER | {"maximum": 4}, "maximum 5 -> 4", True),
        (NUMBER, NUMBER | {"minimum": 0}, "minimum 1 -> 0", False),
        (NUMBER, {"type": "integer", "minimum": 1}, "maximum 5 -> none", False),
        (TEXT, TEXT | {"maxLength": 9}, "maxLength none -> 9", True),
        (TEXT, TEXT | {"pattern": "a+"}, "pattern none -> a+", True),
        (TEXT | {"pattern": "a+"}, TEXT, "pattern a+ -> none", False),
        (TEXT | {"default": "a"}, TEXT | {"default": "b"}, "default a -> b", False),
        (TEXT, TEXT | {"deprecated": True}, "deprecated", False),
        (TEXT, TEXT | {"enum": ["a"]}, "any value -> choices", True),
        (TEXT | {"enum": ["a"]}, TEXT, "choices -> any value", False),
    ],
)
def test_an_input_that_takes_less_breaks_calls_and_one_that_takes_more_does_not(
    before: dict[str, Any], after: dict[str, Any], changes: str, breaking: bool
) -> None:
    assert of_input(before, after) == (changes, breaking)


def test_choices_are_followed_to_where_they_stand() -> None:
    (found,) = compare_schemas(document({"x": CHOICE}, **enum("a", "b")), document({"x": CHOICE}, **enum("b", "c")))
    assert (found.changes, found.breaking) == (("choices removed: a", "choices added: c"), True)
    (found,) = compare_schemas(document({"x": CHOICE}, **enum("a")), document({"x": CHOICE}, **enum("a", "b")))
    assert (found.changes, found.breaking) == (("choices added: b",), False)


def test_inputs_that_come_go_and_become_required() -> None:
    before = document({"gone": TEXT, "optional": TEXT, "needed": TEXT}, required=["optional"])
    after = document({"optional": TEXT, "needed": TEXT, "new": TEXT, "must": TEXT}, required=["needed", "must"])
    assert [(one.name, *one.changes, one.breaking) for one in compare_schemas(before, after)] == [
        ("optional", "became optional", False),
        ("needed", "became required", True),
        ("new", "added, optional", False),
        ("must", "added, required", True),
        ("gone", "removed", True),
    ]


@pytest.mark.parametrize(
    ("before", "after", "changes", "breaking"),
    [
        (TEXT, {"type": "array", "items": TEXT}, "string -> list", True),
        (TEXT, TEXT | {"nullable": True}, "string -> string or null", True),
        (TEXT | {"nullable": True}, TEXT, "string or null -> string", False),
        (TEXT | {"enum": ["a"]}, TEXT | {"enum": ["a", "b"]}, "values added: b", True),
        (TEXT | {"enum": ["a", "b"]}, TEXT | {"enum": ["a"]}, "values removed: b", False),
        (
            {"type": "array", "items": TEXT},
            {"type": "array", "items": TEXT, "x-cog-array-type": "iterator"},
            "became a stream",
            False,
        ),
        (
            {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
            {"type": "object", "properties": {"b": NUMBER, "c": TEXT}},
            "field b: string -> integer; field c added; field a removed",
            True,
        ),
    ],
)
def test_an_output_that_gives_other_values_breaks_calls_and_one_that_gives_fewer_does_not(
    before: dict[str, Any], after: dict[str, Any], changes: str, breaking: bool
) -> None:
    (found,) = compare_schemas(document(output=before), document(output=after))
    assert (found.part, "; ".join(found.changes), found.breaking) == ("output", changes, breaking)


def test_words_for_people_change_nothing() -> None:
    assert compare_schemas(document({"x": TEXT}), document({"x": TEXT | {"description": "new", "x-order": 4}})) == ()


def test_training_is_compared_too() -> None:
    training = {"TrainingInput": {"properties": {"data": TEXT}}, "TrainingOutput": TEXT}
    found = compare_schemas(document(), document(**training))
    assert [(one.part, one.changes, one.breaking) for one in found] == [
        ("training input", ("added, optional",), False),
        ("training output", ("added",), False),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "enum",
                    "anyOf",
                    "items",
                    "properties",
                    "default",
                    "minimum",
                    "required",
                    "pattern",
                    "allOf",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_schemas_of_anybody_are_compared_and_equal_ones_are_equal(before: Any, after: Any) -> None:
    texts = [
        json.dumps({"components": {"schemas": {"Input": {"properties": {"x": one}, "required": one}, "Output": one}}})
        for one in (before, after)
    ]
    assert all(isinstance(one, ComparedSchema) for one in compare_schemas(*texts))
    assert compare_schemas(texts[0], texts[0]) == ()


def test_choices_are_told_apart_by_value_however_many_and_of_what_kind() -> None:
    many = list(range(100_000))
    assert of_input({"enum": many}, {"enum": [*many[1:], -1]}) == ("choices removed: 0; choices added: -1", True)
    assert of_input({"enum": [1, {"a": 1}]}, {"enum": [True, {"a": 2}]})[0] == (
        'choices removed: 1, {"a": 1}; choices added: true, {"a": 2}'
    )
    assert not compare_schemas(document({"x": {"enum": [1, 2]}}), document({"x": {"enum": [2.0, 1.0]}}))


def test_a_schema_nested_deeper_than_anybody_writes_tells_nothing() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(400):
        deep = {"anyOf": [deep]}
    assert compare_schemas(document({"x": deep}), None) == ()
    assert read_signature(document({"x": deep})).inputs == {}
