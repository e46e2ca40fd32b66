"""What a model gives is text for people, and files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cogpack.errors import ModelError
from cogpack.running.outputs import Outputs

PNG = "data:image/png;base64,cG5n"
URI = {"type": "string", "format": "uri"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def taken(output: Any, spec: dict[str, Any], file: Path | None = None, *, stem: str = "output") -> Any:
    outputs = Outputs(file, spec, stem=stem)
    outputs.text(output)
    return outputs.output


def test_files_are_written_under_names_that_say_what_they_are(tmp_path: Path) -> None:
    assert taken(PNG, URI) == "output.png"
    assert taken([PNG, PNG], {"type": "array", "items": URI}) == ["output.0.png", "output.1.png"]
    spec = {"properties": {"image": URI, "mask": URI, "text": {"type": "string"}}}
    assert taken({"image": PNG, "text": PNG}, spec) == {"image": "output.image.png", "text": PNG}
    assert taken({"image": PNG}, spec, stem="weights") == {"image": "weights.image.png"}
    assert (tmp_path / "output.png").read_bytes() == b"png"


def test_a_name_of_ones_own_is_that_of_the_file(tmp_path: Path) -> None:
    assert taken(PNG, URI, Path("mine.png")) == "mine.png"
    assert taken([PNG], {"items": URI}, Path("mine.png")) == ["mine.0.png"]
    assert taken("said", {"type": "string"}, Path("mine.txt")) == "said"
    assert (tmp_path / "mine.txt").read_text() == "said\n"


def test_a_stream_takes_all_files_and_none_is_written_beside_it(tmp_path: Path) -> None:
    other = PNG.replace("cG5n", "Z2lm")
    (tmp_path / "link").symlink_to("/dev/null")
    assert taken([PNG, other], {"type": "array", "items": URI}, Path("link")) == ["link", "link"]
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    for output, spec in ([PNG, other], {"items": URI}), ({"a": PNG, "b": other}, {"properties": {"a": URI, "b": URI}}):
        outputs = Outputs(Path("pipe"), spec)
        assert outputs.text(output) == ""
        assert outputs.written == [Path("pipe")]
        assert os.read(reader, 100) == b"pnggif"
    outputs = Outputs(Path("pipe"), {"type": "string"})
    outputs.text("said")
    assert os.read(reader, 100) == b"said\n"
    os.close(reader)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_the_only_file_of_an_object_is_the_one_that_is_named() -> None:
    spec = {"properties": {"weights": URI, "version": {"type": "string"}}}
    assert taken({"weights": PNG, "version": "1"}, spec, Path("mine.tar")) == {"weights": "mine.tar", "version": "1"}
    assert taken({"weights": PNG, "version": "1"}, spec, stem="weights") == {"weights": "weights.png", "version": "1"}
    for other in (URI, {"type": "array", "items": URI}, {"type": "object"}, {}):
        several = {"properties": {"weights": URI, "other": other}}
        assert taken({"weights": PNG}, several, Path("mine.tar")) == {"weights": "mine.weights.tar"}


def test_what_is_besides_files_is_text_that_names_them(tmp_path: Path) -> None:
    spec = {"properties": {"image": URI, "said": {"type": "string"}, "mask": URI}}
    for file in (None, Path("mine.png")):
        told = Outputs(file, spec).text({"image": PNG, "said": "a frog", "mask": None})
        assert json.loads(told) == {
            "image": "mine.image.png" if file else "output.image.png",
            "said": "a frog",
            "mask": None,
        }
        assert Outputs(file, spec).text({"image": PNG, "mask": None}) == ""
    assert not (tmp_path / "mine.png").exists()


def test_text_is_as_it_is_and_all_else_json() -> None:
    assert Outputs(None, {}).text("hello") == "hello"
    assert Outputs(None, {}).text({"a": 1}) == '{\n  "a": 1\n}'
    assert Outputs(None, {}).text(None) == "null"


@pytest.mark.parametrize(
    ("item", "display", "pieces", "text"),
    [
        ("string", "concatenate", ["a ", "b"], "a b"),
        ("string", None, ["a", "b"], "a\nb\n"),
        ("number", None, [1.5, 2], "1.5\n2\n"),
    ],
)
def test_what_an_iterator_yields_is_told_as_it_comes_and_all_of_it_in_the_end(
    item: str, display: str | None, pieces: list[Any], text: str
) -> None:
    spec = {"type": "array", "items": {"type": item}, "x-cog-array-type": "iterator", "x-cog-array-display": display}
    outputs, told = Outputs(None, spec), list[str]()
    assert outputs.comes_in_pieces
    outputs.live = told.append
    outputs.hear(pieces[0])
    assert told == [text[: len(told[0])]]
    assert outputs.text(pieces) == "".join(told) == text


def test_files_of_an_iterator_come_at_the_end() -> None:
    assert not Outputs(None, {"type": "array", "items": URI, "x-cog-array-type": "iterator"}).comes_in_pieces


@pytest.mark.parametrize("said", [5, None, [], "uri", True])
def test_a_property_that_is_no_object_is_one_of_which_nothing_is_said(said: object) -> None:
    """A label is whatever somebody wrote."""
    assert Outputs(None, {"type": "object", "properties": {"a": said}}).text({"a": 1}) == '{\n  "a": 1\n}'


def test_a_name_that_no_file_can_have_is_written_otherwise() -> None:
    assert taken({"a\0/b": PNG, "c": PNG}, {"type": "object"}) == {"a\0/b": "output.a__b.png", "c": "output.c.png"}


def test_an_output_that_nobody_could_follow_is_told_as_that() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ModelError, match="nested too deeply"):
        taken(deep, {})
