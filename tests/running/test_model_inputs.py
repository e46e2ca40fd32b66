"""Inputs as users write them become those of a request, held to the model's schema."""

from pathlib import Path
from typing import Any

import pytest

from cogpack.errors import InputError
from cogpack.running import inputs
from cogpack.running.inputs import read_inputs
from cogpack.runtime.labelled_schema import Signature


def read(*given: str, required: bool = False, **specs: dict[str, Any]) -> dict[str, Any]:
    return read_inputs(Signature(inputs=specs, required=frozenset(specs) if required else frozenset()), given)


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        ({"type": "string"}, "a=b", "a=b"),
        ({"type": "string"}, "@home", "@home"),
        ({"type": "integer"}, "-3", -3),
        ({"type": "number"}, "1e-3", 0.001),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "no", False),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "integer", "enum": [1, 2]}, "2", 2),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, "2.5", 2.5),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, "two", "two"),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"type": "array", "items": {"type": "string"}}, "one", ["one"]),
        ({"type": "string", "format": "uri"}, "https://example.com/a.png", "https://example.com/a.png"),
        ({}, "what no schema tells", "what no schema tells"),
    ],
)
def test_a_value_is_read_as_its_type(spec: dict[str, Any], text: str, value: object) -> None:
    found = read(f"x={text}", x=spec)["x"]
    assert (found, type(found)) == (value, type(value))


def test_an_input_given_several_times_is_a_list() -> None:
    assert read("x=1", "x=2", x={"type": "array", "items": {"type": "integer"}}) == {"x": [1, 2]}
    with pytest.raises(InputError, match="expected one value"):
        read("x=1", "x=2", x={"type": "integer"})


def test_a_file_is_sent_as_a_data_url(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    spec = {"type": "string", "format": "uri"}
    assert read(f"x=@{tmp_path}/a.png", x=spec) == {"x": "data:image/png;base64,cG5n"}
    many = read(f"x=@{tmp_path}/a.png", f"x=@{tmp_path}/a.png", x={"type": "array", "items": spec})
    assert many == {"x": ["data:image/png;base64,cG5n"] * 2}


@pytest.mark.parametrize(
    ("spec", "text", "told"),
    [
        ({"type": "integer"}, "1.5", "expected an integer, found '1.5'"),
        ({"type": "boolean"}, "maybe", "expected true or false, found 'maybe'"),
        ({"type": "object"}, "[1]", "expected a JSON object"),
        ({"type": "integer", "minimum": 1}, "0", "expected 1 or more, found 0"),
        ({"type": "number", "maximum": 2}, "3", "expected 2 or less, found 3.0"),
        ({"type": "string", "enum": ["a", "b"]}, "c", "expected one of a, b, found 'c'"),
        ({"type": "string", "minLength": 2}, "c", "expected 2 characters or more, found 1 characters"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", "matches"),
        ({"type": "array", "items": {"type": "integer"}}, '[1, "b"]', "item 2: expected an integer, found 'b'"),
        ({"type": "string", "format": "uri"}, "a.png", "expected @FILE, or a URL, found 'a.png'"),
        ({"type": "string", "format": "uri"}, "@/no/such", "No such file"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "x", "expected one of an integer, true or false"),
        ({"type": "number"}, "nan", "expected a number, found 'nan'"),
        ({"type": "number"}, "-inf", "expected a number, found '-inf'"),
        ({"type": "number"}, "1e999", "expected a number, found '1e999'"),
        ({"type": "string"}, "\udcff", "expected text in UTF-8, found '\\udcff'"),
        ({}, "\udcff", "expected text in UTF-8, found '\\udcff'"),
        ({"type": "array", "items": {"type": "string", "format": "uri"}}, '["@/no/such"]', "item 1: /no/such: No such"),
    ],
)
def test_what_does_not_fit_is_told_by_name_with_what_was_expected(spec: dict[str, Any], text: str, told: str) -> None:
    with pytest.raises(InputError, match=r"^input x: ") as caught:
        read(f"x={text}", x=spec)
    assert told in caught.value.message


def test_unknown_and_missing_inputs_are_told_together() -> None:
    with pytest.raises(InputError) as caught:
        read("promt=x", "y", prompt={"type": "string"}, required=True)
    assert "promt: the model has no such input; did you mean prompt?" in caught.value.message
    assert "input prompt is missing" in caught.value.message
    assert "'y': expected NAME=VALUE" in caught.value.message


def test_inputs_of_one_json_object_have_their_types_already(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    number: dict[str, Any] = {"type": "integer", "maximum": 9}
    uri: dict[str, Any] = {"type": "string", "format": "uri"}
    specs = {"n": number, "t": {"type": "string"}, "f": {"type": "array", "items": uri}, "o": {"type": "object"}}
    specs |= {"u": {"anyOf": [{"type": "string"}, {"type": "number"}]}, "z": {"type": "string", "nullable": True}}
    text = f'{{"n": 7, "t": "@no file", "f": ["@{tmp_path}/a.txt"], "o": {{"a": 1}}, "u": "2.5", "z": null}}'
    given = inputs.inputs_of_json(text.encode(), "--inputs")
    found = read_inputs(Signature(inputs=specs, required=frozenset(specs)), [], given)
    assert found == {
        "n": 7,
        "t": "@no file",
        "f": ["data:text/plain;base64,YQ=="],
        "o": {"a": 1},
        "u": "2.5",
        "z": None,
    }
    for value in ("7", 10, 1.5, True):
        with pytest.raises(InputError, match="input n: "):
            read_inputs(Signature(inputs={"n": number}), [], {"n": value})


@pytest.mark.parametrize(
    ("spec", "value", "sent"),
    [
        ({"type": "integer"}, 3.0, 3),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2.0], [1, 2]),
        ({"type": "number"}, 3.0, 3.0),
        ({"anyOf": [{"type": "string", "format": "uri"}, {"type": "integer"}]}, 3.0, 3),
        ({"anyOf": [{"type": "string", "format": "uri"}, {"type": "string"}]}, "text", "text"),
        ({"anyOf": [{"type": "string", "format": "uri"}, {"type": "string"}]}, "@a.txt", "data:text/plain;base64,YQ=="),
    ],
)
def test_a_value_of_json_is_sent_as_its_schema_has_it(
    spec: dict[str, Any], value: object, sent: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    found = read_inputs(Signature(inputs={"x": spec}), [], {"x": value})["x"]
    assert (found, repr(found)) == (sent, repr(sent))
    if isinstance(value, str):
        assert read(f"x={value}", x=spec)["x"] == sent


def test_a_value_of_json_that_fits_none_of_several_types_is_told() -> None:
    spec: dict[str, Any] = {"anyOf": [{"type": "string", "format": "uri"}, {"type": "integer"}]}
    with pytest.raises(InputError, match=r"input x: expected one of text, an integer, found 3\.5"):
        read_inputs(Signature(inputs={"x": spec}), [], {"x": 3.5})


def test_bytes_that_are_no_utf_8_are_told_as_such() -> None:
    with pytest.raises(InputError, match="--inputs: is not UTF-8"):
        inputs.inputs_of_json(b'{"a": "\xff"}', "--inputs")
    with pytest.raises(InputError, match=r"input 'a\\udcff=1': expected NAME=VALUE"):
        read("a\udcff=1")


def test_files_that_no_request_can_have_together_are_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_FILE_LIMIT", 1000)
    file = tmp_path / "file"
    file.write_bytes(bytes(600))
    uri: dict[str, Any] = {"type": "string", "format": "uri"}
    assert read(f"x=@{file}", x=uri)["x"].startswith("data:")
    with pytest.raises(InputError, match="files of all inputs have"):
        read(f"x=@{file}", f"y=@{file}", x=uri, y=uri)
    with pytest.raises(InputError, match="files of all inputs have"):
        read(f"x=@{file}", f"x=@{file}", x={"type": "array", "items": uri})
    file.write_bytes(bytes(1001))
    for endless in (file, "/dev/zero"):
        with pytest.raises(InputError, match=f"{endless} has more than the 1000 bytes"):
            read(f"x=@{endless}", x=uri)


def test_json_that_no_request_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "REQUEST_LIMIT", 10)
    assert inputs.inputs_of_json(b'{"a": "b"}', "--inputs") == {"a": "b"}
    with pytest.raises(InputError, match="--inputs: more than the 10 bytes"):
        inputs.inputs_of_json('{"a": "é"}'.encode(), "--inputs")


@pytest.mark.parametrize("pattern", ["(a|a)*$", "a*" * 49 + "b", "(|)" * 33 + "x", "(a|a)" * 39 + "$", "["])
def test_a_pattern_that_takes_for_ever_is_left_to_the_server(pattern: str) -> None:
    text = "a" * 39 + "b"
    assert read(f"x={text}", x={"type": "string", "pattern": pattern}) == {"x": text}


@pytest.mark.parametrize(
    "spec", [{"anyOf": True}, {"anyOf": [1, "a"]}, {"enum": {"a": 1}}, {"pattern": ""}, {"type": [1]}]
)
def test_a_schema_that_is_none_refuses_nothing(spec: dict[str, Any]) -> None:
    """An image's label is the word of whoever made it."""
    assert read("x=a", x=spec) == {"x": "a"}
    with pytest.raises(InputError, match="input x is missing"):
        read(x=spec, required=True)


def test_json_that_nobody_could_follow_is_refused() -> None:
    deep = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    with pytest.raises(InputError, match="--inputs: "):
        inputs.inputs_of_json(deep.encode(), "--inputs")
    with pytest.raises(InputError, match="expected a JSON object"):
        read(f"x={deep}", x={"type": "object"})
