"""What a model gives is text for people, and files."""

from pathlib import Path

import pytest

from cogpack.running.outputs import Outputs

PNG = "data:image/png;base64,cG5n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_files_are_written_under_names_that_say_what_they_are(tmp_path: Path) -> None:
    outputs = Outputs(None)
    assert outputs.taken(PNG, {"type": "string", "format": "uri"}) == "output.png"
    spec = {"type": "array", "items": {"type": "string", "format": "uri"}}
    assert outputs.taken([PNG, PNG], spec) == ["output.0.png", "output.1.png"]
    spec = {"properties": {"image": {"format": "uri"}, "text": {"type": "string"}}}
    assert outputs.taken({"image": PNG, "text": PNG}, spec) == {"image": "output.image.png", "text": PNG}
    assert (tmp_path / "output.png").read_bytes() == b"png"
    assert len(outputs.written) == 4


def test_a_name_of_ones_own_is_that_of_the_file() -> None:
    outputs = Outputs(Path("mine.png"))
    assert outputs.taken(PNG, {"format": "uri"}) == "mine.png"
    assert outputs.taken([PNG], {"items": {"format": "uri"}}) == ["mine.0.png"]


def test_text_is_as_it_is_and_all_else_json() -> None:
    outputs = Outputs(None)
    assert outputs.text("hello", {}) == "hello"
    assert outputs.text(["a", "b"], {"x-cog-array-display": "concatenate"}) == "ab"
    assert outputs.text({"a": 1}, {}) == '{\n  "a": 1\n}'
    assert outputs.text(None, {}) == "null"
