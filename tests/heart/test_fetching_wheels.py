"""Wheels come beside each other, and layers whose files are here go meanwhile."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.index import index
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.oci import LAYER_NAME

pytestmark = pytest.mark.slow

LARGE = 4_100_000
"""Bytes of a wheel that is a layer of its own."""
SOON = 20.0
"""Seconds in which a server that holds an answer sees what it waits for."""


class Held:
    """Is told of each wheel that is asked for whole, and lets a test hold its answer. `asked`: how often each was;
    `replaced`: the one that is another file now; `pages`: how often each page of the index was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.act: Callable[[str], object] = lambda _: None
        self.replaced = ""
        self.pages: Callable[[], Counter[str]] = Counter

    def __call__(self, filename: str, data: bytes) -> bytes:
        name = filename.partition("-")[0]
        self.asked[name] += 1
        self.act(name)
        return data[::-1] if name == self.replaced else data


@contextmanager
def locked(world: World, *names: str) -> Iterator[tuple[Project, Held]]:
    """A project with a lock, and an index that has its wheels, each large enough for a layer."""
    far = world.directory / "far"
    for seed, name in enumerate(names):
        make_wheel(far, name, files={f"{name}.bin": noise(LARGE, seed)})
    held = Held()
    with index(far, sending=held) as (fake, _):
        required = "".join(f"{name}\n" for name in names)
        lines = f"--extra-index-url {fake.url}/simple\n{required}"
        project = world.project(files={"requirements.txt": lines})
        ok(project.cogpack("lock"))
        assert not held.asked, "a lock reads the ends of wheels only"
        before = len(fake.seen)
        held.pages = lambda: Counter(one.path for one in fake.seen[before:] if "/simple/" in one.path)
        yield project, held


def empty(world: World) -> Path:
    """Forget all downloads and facts."""
    return Path(shutil.move(world.directory / "cache", world.directory / f"old-{time.monotonic_ns()}"))


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


def test_wheels_arrive_beside_each_other_each_asked_for_once(world: World) -> None:
    together = threading.Barrier(3, timeout=SOON)
    with locked(world, "one", "two", "three") as (project, held):
        held.act = lambda _: together.wait()
        ok(project.cogpack("push", project.target()))
    assert held.asked == {"one": 1, "two": 1, "three": 1}
    assert max(held.pages().values(), default=0) <= 1


def test_a_layer_goes_before_all_wheels_are_here(world: World) -> None:
    """`late` is sent only when the registry has all that can be made without it: venv, project, `early`, small ones."""

    def committed() -> int:
        return sum(method == "PUT" and "/blobs/" in path for method, path in world.requests)

    with locked(world, "early", "late") as (project, held):
        held.act = lambda name: name == "late" and until(lambda: committed() >= 4)
        done = ok(project.cogpack("push", project.target()))
    assert "fetched  5 wheels" in done.err


def test_of_many_layers_only_the_missing_one_is_fetched(world: World) -> None:
    with locked(world, "one", "two") as (project, held):
        ok(project.cogpack("push", project.target()))
        held.asked.clear()
        empty(world)
        make_wheel(world.directory / "far", "three", files={"three.bin": noise(LARGE, 3)})
        project.write("requirements.txt", (project.root / "requirements.txt").read_text() + "three\n")
        ok(project.cogpack("push", project.target()))
    assert held.asked == {"three": 1}


def test_a_layer_that_a_registry_has_lost_is_made_again_and_no_other(world: World) -> None:
    """The lock knows all layers; the registry is asked for each, and what is lost is fetched then."""
    with locked(world, "one", "two") as (project, held):
        ok(project.cogpack("push", project.target()))
        held.asked.clear()
        empty(world)
        layers = world.manifest("me/model", "v1")["layers"]
        lost = next(one for one in layers if "two" in one.get("annotations", {}).get(LAYER_NAME, ""))
        digest = lost["digest"].removeprefix("sha256:")
        for path in (world.directory / "registry").rglob(f"*{digest}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        project.write("predict.py", (project.root / "predict.py").read_text() + "# another line\n")
        done = ok(project.cogpack("push", project.target("v2")))
    assert held.asked == {"two": 1}
    assert "fetched  two 1.0" in done.err


def test_one_wrong_wheel_ends_the_others_at_once_and_nothing_is_named(world: World) -> None:
    over = threading.Event()
    with locked(world, "slow", "wrong") as (project, held):
        held.replaced = "wrong"
        held.act = lambda name: name == "slow" and over.wait(60)
        begun = time.monotonic()
        try:
            done = project.cogpack("push", project.target())
        finally:
            over.set()
    assert done.code == 3
    assert "wrong-1.0-py3-none-any.whl: expected sha256:" in done.err
    assert time.monotonic() - begun < SOON
    assert not world.has("me/model", "v1")
    assert not [path for path in (world.directory / "cache" / "artifacts").rglob(".cogpack-*") if path.is_file()]


def test_ctrl_c_ends_what_is_fetched_and_keeps_what_is_whole(world: World) -> None:
    over = threading.Event()
    with locked(world, "quick", "slow") as (project, held):

        def act(name: str) -> None:
            if name == "slow" and held.asked["slow"] == 1:
                until(lambda: any(path.stat().st_size > LARGE for path in artifacts(world)))
                os.kill(os.getpid(), signal.SIGINT)
                over.wait(60)

        held.act = act
        begun = time.monotonic()
        try:
            done = project.cogpack("push", project.target())
        finally:
            over.set()
        assert done.code == 130
        assert time.monotonic() - begun < SOON
        assert not world.has("me/model", "v1")
        ok(project.cogpack("push", project.target()))
    assert held.asked == {"quick": 1, "slow": 2}


def artifacts(world: World) -> list[Path]:
    """What is whole of the downloads."""
    found = (world.directory / "cache" / "artifacts").rglob("*")
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


@pytest.mark.parametrize("output", ["out", "out.tar"])
def test_a_build_fetches_them_beside_each_other_too(world: World, output: str) -> None:
    together = threading.Barrier(2, timeout=SOON)
    with locked(world, "one", "two") as (project, held):
        held.act = lambda _: together.wait()
        ok(project.cogpack("build", "-o", output))
    assert held.asked == {"one": 1, "two": 1}


def test_an_index_that_tells_no_hashes_is_asked_for_no_wheel_whose_layer_is_there(world: World) -> None:
    """uv can learn the address of a file there only by reading all of it."""
    far = world.directory / "far"
    for seed, name in enumerate(("one", "two")):
        make_wheel(far, name, files={f"{name}.bin": noise(LARGE, seed)})
    held = Held()
    with index(far, ranges=False, sending=held) as (fake, _):
        lines = f"--no-index\n--find-links {fake.url}/flat/\none\ntwo\n"
        project = world.project(files={"requirements.txt": lines})
        first = ok(project.cogpack("push", project.target()))
        lock = (project.root / "cogpack.lock").read_text()
        results = [line for line in lock.splitlines(keepends=True) if 'name = "wheels: one' not in line]
        project.write("cogpack.lock", "".join(results))
        empty(world)
        held.asked.clear()
        again = ok(project.cogpack("push", "--no-tag-cache", project.target()))
        assert again.digest == first.digest
        assert held.asked["one"] > 0
        assert held.asked["two"] == 0
