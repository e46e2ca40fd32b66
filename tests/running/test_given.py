"""Weights that a user names by COG_WEIGHTS reach a container as what they are."""

from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.running.given import given
from cogpack.sandbox.guest import Bind

SEEN = "/var/lib/cogpack/given/lora.bin"


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora.bin").write_bytes(b"w")
    return tmp_path / "lora.bin"


@pytest.mark.parametrize("name", ["lora.bin", "@lora.bin", "../{}/lora.bin", "@{}"])
def test_a_file_of_this_machine_is_seen_in_the_container(weights: Path, name: str) -> None:
    name = name.format(weights if name == "@{}" else weights.parent.name)
    environment, binds = given({"COG_WEIGHTS": name, "A": "b"})
    assert (environment, binds) == ({"COG_WEIGHTS": SEEN, "A": "b"}, (Bind(weights, SEEN),))


@pytest.mark.parametrize(
    "value", ["", "none.bin", "/src/weights/x", "https://host.test/lora.bin", "data:text/plain," + "x" * 9999, "a\0b"]
)
def test_all_else_is_the_models_own_to_read(value: str) -> None:
    assert given({"COG_WEIGHTS": value}) == ({"COG_WEIGHTS": value}, ())


def test_a_directory_and_a_link_are_seen_under_the_name_that_was_typed(weights: Path) -> None:
    (weights.parent / "link").symlink_to(weights)
    assert given({"COG_WEIGHTS": "link"}).binds == (Bind(weights, "/var/lib/cogpack/given/link"),)
    name = weights.parent.name
    assert given({"COG_WEIGHTS": "."}).binds == (Bind(weights.parent, f"/var/lib/cogpack/given/{name}"),)


@pytest.mark.parametrize("value", ["..", "@below/..", "below/../..", "/"])
def test_no_name_leads_out_of_where_weights_are_seen(weights: Path, value: str) -> None:
    (weights.parent / "below").mkdir()
    (bind,) = given({"COG_WEIGHTS": value}).binds
    assert bind.target == f"/var/lib/cogpack/given/{bind.source.name or 'root'}"


@pytest.mark.parametrize("value", ["@none.bin", "@a\0b"])
def test_a_file_that_is_not_there_is_told_before_anything_starts(value: str) -> None:
    with pytest.raises(InputError, match="COG_WEIGHTS"):
        given({"COG_WEIGHTS": value})
