"""A model's schema becomes a form: one shape for each kind of input and output."""

import json
from typing import Any

import msgspec
import pytest

from cogpack.pages.form import (
    Anything,
    Boolean,
    Choice,
    Either,
    File,
    Form,
    Many,
    Number,
    Object,
    Secret,
    Shape,
    Text,
    read_form,
    shape_of,
)


def form(properties: dict[str, Any], output: Any = None, **more: Any) -> Form:
    schemas = {"Input": {"properties": properties} | more, "Output": output or {"type": "string"}}
    found = read_form(json.dumps({"components": {"schemas": schemas}}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ({"type": "string"}, Text()),
        (
            {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a"},
            Text(least=1, most=9, pattern="^a"),
        ),
        ({"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}, Secret()),
        ({"type": "integer", "minimum": 1, "maximum": 50}, Number(integer=True, minimum=1, maximum=50)),
        ({"type": "number", "minimum": 0.5}, Number(minimum=0.5)),
        ({"type": "boolean"}, Boolean()),
        ({"type": "string", "format": "uri", "x-cog-accept": "image/*"}, File("image/*")),
        ({"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-accept": ".wav"}, Many(File(".wav"))),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, Many(Choice(("a", "b")))),
        ({"type": "array"}, Many(Anything())),
        ({"type": "object"}, Object()),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, Object({"a": Number(integer=True)})),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, Either((Text(), Number()))),
        ({}, Anything()),
        ({"type": 7, "enum": "x", "anyOf": {}, "items": []}, Anything()),
        ({"type": "integer", "minimum": "low", "maximum": True}, Number(integer=True)),
    ],
)
def test_each_kind_of_value_has_a_shape(spec: dict[str, Any], shape: Shape) -> None:
    assert shape_of(spec) == shape


def test_choices_are_those_of_the_part_that_an_input_refers_to() -> None:
    schemas = {
        "Input": {"properties": {"mode": {"allOf": [{"$ref": "#/components/schemas/mode"}], "default": "b"}}},
        "mode": {"type": "string", "enum": ["a", "b"], "description": "An enumeration."},
    }
    found = read_form(json.dumps({"components": {"schemas": schemas}}))
    assert found
    assert found.inputs[0].shape == Choice(("a", "b"))
    assert (found.inputs[0].default, found.inputs[0].description) == ("b", "")


def test_inputs_stand_in_the_order_of_the_code_whoever_sorted_the_schema() -> None:
    found = form(
        {
            "a": {"type": "string", "x-order": 2},
            "b": {"type": "string"},
            "c": {"type": "string", "x-order": 0},
        }
    )
    assert [one.name for one in found.inputs] == ["c", "a", "b"]


def test_what_is_required_described_deprecated_and_usual_is_told() -> None:
    spec = {"type": "integer", "description": "How many", "deprecated": True, "default": 3}
    found = form(
        {"n": spec, "text": {"type": "string"}, "none": {"type": "string", "default": None}}, required=["text"]
    )
    count, text, none = found.inputs
    assert (count.description, count.deprecated, count.default, count.required) == ("How many", True, 3, False)
    assert (text.required, text.default) == (True, None)
    assert (none.required, none.default) == (False, None), "null can't be sent: coglet refuses it"


def test_outputs_are_told_with_how_they_come() -> None:
    pieces = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
    found = [
        form({}, output, type="object")
        for output in (pieces, pieces | {"x-cog-array-display": "concatenate"}, {"type": "array"})
    ]
    assert [(one.iterates, one.concatenated) for one in found] == [(True, False), (True, True), (False, False)]


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", "{}", '{"components": 3}'])
def test_an_image_without_a_schema_has_no_form(text: str | None) -> None:
    assert read_form(text) is None


def test_a_script_reads_of_a_shape_what_it_has_and_nothing_else() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Number(integer=True, maximum=4))) == {
        "kind": "number", "integer": True, "maximum": 4,
    }  # fmt: skip


def test_a_default_that_a_browser_can_not_hold_is_left_to_the_model() -> None:
    specs = {"a": 2**53, "b": 2**53 - 1, "c": [1, -(2**60)], "d": {"x": 0.5}}
    found = form({name: {"default": default} for name, default in specs.items()})
    assert [one.default for one in found.inputs] == [None, 2**53 - 1, None, {"x": 0.5}]
