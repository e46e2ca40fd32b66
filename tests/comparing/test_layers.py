"""Layers of two images are paired, and what one who has the first fetches for the second."""

import time

from cogpack.comparing.layers import SideLayer, compare_layers, fetched, fetched_in_order
from cogpack.digest import sha256


def layer(name: str, content: str | None = None, *, key: str | None = None, size: int | None = 10) -> SideLayer:
    return SideLayer(name=name, key=key, digest=sha256(content.encode()) if content else None, size=size)


BEFORE = (layer("debian: trixie, 9 packages", "d"), layer("wheels: torch 2.1", "t"), layer("weights: a-1", "w"))


def statuses(*after: SideLayer) -> dict[str, str]:
    return {one.name: one.status for one in compare_layers(BEFORE, after)}


def test_layers_are_paired_by_blob_and_then_by_name_but_for_versions() -> None:
    after = (BEFORE[0], layer("wheels: torch 2.2", "u"), layer("weights: a-2", "v"), layer("project", "p"))
    assert statuses(*after) == {
        "debian: trixie, 9 packages": "same",
        "wheels: torch 2.2": "changed",
        "weights: a-2": "added",
        "project": "added",
        "weights: a-1": "removed",
    }
    assert statuses(layer("renamed", "t")) == {
        "renamed": "same",
        "debian: trixie, 9 packages": "removed",
        "weights: a-1": "removed",
    }


def test_one_blob_twice_is_fetched_once() -> None:
    twice = (layer("a", "n"), layer("b", "n"), BEFORE[0])
    assert fetched(BEFORE, twice) == 10
    assert fetched_in_order(BEFORE, twice) == 30


def test_who_goes_by_the_order_fetches_all_from_the_first_change_on() -> None:
    after = (BEFORE[0], layer("wheels: torch 2.2", "u"), BEFORE[2])
    assert (fetched(BEFORE, after), fetched_in_order(BEFORE, after)) == (10, 20)
    assert (fetched(BEFORE, BEFORE[:2]), fetched_in_order(BEFORE, BEFORE[:2])) == (0, 0)


def test_what_is_not_built_is_known_by_its_recipe_alone() -> None:
    made = layer("project", "p", key="k")
    assert compare_layers((made,), (layer("project", key="k", size=None),))[0].status == "same"
    assert fetched((made,), (layer("project", key="k", size=None),)) == 0
    assert compare_layers((made,), (layer("project", key="l", size=None),))[0].status == "changed"
    assert fetched((made,), (layer("project", key="l", size=None),)) is None


def test_an_image_that_somebody_gave_ten_thousand_layers_is_compared_at_once() -> None:
    before, after = ([layer(f"run: {at} {side}", f"{side}{at}") for at in range(10_000)] for side in "ab")
    began = time.process_time()
    assert {one.status for one in compare_layers(before, after)} == {"added", "removed"}
    assert fetched(before, after) == 100_000
    assert time.process_time() - began < 10  # each with each took minutes
