"""The image's wheels are laid once for all builds, in a tree that the cache's rules know."""

import errno
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from support.private_guests import runner
from support.wheels import make_wheel

from cogpack.config import StepLimits
from cogpack.disk import is_unfinished
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.venv import VenvSource
from cogpack.planning.building import guest
from cogpack.planning.building.guest import SharedWheels, guest_environment
from cogpack.planning.private_guest import Way
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.trees import lay as laying
from cogpack.sandbox.trees.lay import Recipe

VENV = Recipe(VenvSource(python="3.13", interpreter="/usr/bin/python3"))


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(runner(tmp_path, StepLimits()), next(iter(Rung)), emulated=False, overlays=True)


def wheel(directory: Path) -> WheelFile:
    path = make_wheel(directory, "demo")
    return WheelFile(path.name, "0" * 64, lambda: LocalFile.of(path))


def test_where_laying_fails_each_source_is_told_why_and_the_next_one_has_them(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedWheels(way, VENV, tmp_path / "shared")
    own = [wheel(tmp_path)]

    def full(place: Path, *rest: Any, **more: Any) -> NoReturn:
        laying.lay(place, *rest, **more)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(guest, "lay", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                shared.of(own)
    assert list(tmp_path.joinpath("shared").iterdir()) == []
    (root,) = shared.of(own)
    assert [root] == shared.of(own)


def test_what_a_killed_build_leaves_has_names_that_are_known_to_be_left(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []
    lower = SimpleNamespace(inputs=(), venv=VENV)
    session: Any = SimpleNamespace(supply=SimpleNamespace(wait=lambda _: None), kept=SimpleNamespace(used=used.append))
    unknown: Any = None
    monkeypatch.setattr(guest, "way_of", lambda _: way)
    monkeypatch.setattr(guest, "below", lambda *_: lower)
    monkeypatch.setattr(guest, "_laid", lambda *_: unknown)
    with guest_environment(session, unknown, unknown, way.runner) as guests, suppress(FileNotFoundError):
        places = {*used, guests._shared.place}
    assert len(places) == 2
    assert {*used} == places
    assert all(place.parent == way.runner.scratch and is_unfinished(place.name) for place in places)
