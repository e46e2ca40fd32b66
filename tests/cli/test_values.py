"""What a model takes and gives, in a line of `cogpack inspect`."""

from typing import Any

import pytest

from cogpack.cli.schema_text import value_text


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "enum": ["fast", "slow"], "default": "fast"}, "string: fast, slow [fast]"),
        ({"type": "integer", "enum": [1, 2]}, "integer: 1, 2"),
        ({"type": "integer", "minimum": 1, "maximum": 10, "default": 3}, "integer, 1 to 10 [3]"),
        ({"type": "number", "minimum": 0}, "number, at least 0"),
        ({"type": "number", "maximum": 1.5, "default": 0}, "number, at most 1.5 [0]"),
        ({"type": "boolean", "default": False}, "boolean [false]"),
        ({"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^a"}, "string, 1 to 5 characters, like ^a"),
        ({"type": "string", "default": ""}, 'string [""]'),
        ({"type": "string", "default": "a\nb"}, "string [a b]"),
        ({"type": "string", "default": None, "nullable": True}, "string, optional"),
        ({"type": "string", "format": "uri"}, "file"),
        ({"type": "string", "format": "password"}, "secret"),
        ({"type": "array", "items": {"type": "string", "format": "uri"}}, "list of file"),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, "list of string: a, b"),
        ({"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}, "stream of string"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
        ({}, "any"),
        ({"type": 1, "enum": 2, "anyOf": 3, "items": 4, "allOf": 5}, "any"),
    ],
)
def test_a_value_is_a_few_words(schema: dict[str, Any], said: str) -> None:
    assert value_text(schema) == said


def test_a_long_default_and_many_choices_are_cut() -> None:
    found = value_text({"type": "string", "enum": [f"choice {n}" for n in range(99)], "default": "x" * 999})
    assert found.startswith("string: choice 0, ")
    assert len(found) < 160
