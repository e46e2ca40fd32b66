"""Small words of errors and notes, each from a user's first day."""

import os

import pytest
from support.world import World, ok

from cogpack.disk import DiskError, writing
from cogpack.session import Session, Settings


def test_only_what_can_be_cut_is_split_and_that_is_said(world: World) -> None:
    project = world.project(files={"w.npy": "x" * 99})
    done = project.cogpack("weights", "split", "w.npy", "-o", "out")
    assert done.code == 2
    assert "w.npy: expected a .safetensors or .gguf file" in done.err
    assert not (project.root / "out").exists()


def test_a_target_that_is_nobodys_is_refused_before_anything_is_noted(world: World) -> None:
    done = world.project().cogpack("copy", f"{world.registry}/a/b", "out")
    assert done.code == 2
    assert done.err.startswith("error: out: names neither a registry nor a directory\n")


@pytest.mark.parametrize("place", ["cache/artifacts/x", "elsewhere/x"])
def test_how_the_cache_is_moved_is_said_of_the_cache_alone(world: World, place: str) -> None:
    path, cache = world.directory / place, world.directory / "cache"
    with pytest.raises(DiskError) as caught, Session(Settings(cache=cache, environment={})), writing(path):
        raise OSError(28, os.strerror(28))
    assert caught.value.next_step.endswith("(--cache-dir moves the cache)") == place.startswith("cache")


def test_a_platform_that_the_lock_lacks_is_not_stale(world: World) -> None:
    project = world.project(files={})
    ok(project.cogpack("lock"))
    done = project.cogpack("plan", "--platform", "linux/arm64")
    assert "note: cogpack.lock has no linux/arm64 yet: resolving\n" in done.err
    assert "stale" not in done.err


def test_a_package_to_upgrade_that_nobody_asks_for_is_refused_without_a_lock_too(world: World) -> None:
    project = world.project()
    done = project.cogpack("lock", "-P", "nump")
    assert done.code == 2
    assert "--upgrade-package nump: the lock has no such wheel" in done.err
    assert not (project.root / "cogpack.lock").exists()


@pytest.mark.slow
def test_a_probe_counts_what_it_left_and_names_it_where_that_is_asked_for(world: World) -> None:
    short = ok(world.cogpack("registry", "probe", f"{world.registry}/me/probed"))
    assert "Profile(" not in short.out
    assert "left behind: " not in short.out
    assert "Profile(" in ok(world.cogpack("registry", "probe", "-v", f"{world.registry}/me/probed")).out


def test_what_is_not_there_is_told_with_the_line_that_names_it(world: World) -> None:
    """Also by those who look for it and know no line: the resolver, and the reader of the base."""
    project = world.project()
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  sdk_version: 0.99.0\n"))
    done = project.cogpack("lock")
    assert (
        done.code,
        "error: cog.yaml:2:16: cog==0.99.0: there is no such version for Python 3.13 and" in done.err,
    ) == (2, True), done.err
    project.write("cog.yaml", config.replace("base/python:v1", "base/none:v1"))
    done = project.cogpack("lock")
    text = f"error: cog.yaml:6:9: cogpack.base: {world.registry}/base/none:v1: there is no such"
    assert (done.code, text in done.err) == (2, True), done.err
