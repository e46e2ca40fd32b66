"""What commands cost, in counts that are the same on any machine: requests, blobs and bytes sent, files of the project
that are opened, processes that are started. A cost more is seen here before a clock sees it."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.errors import DeniedError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Consume, Form
from cogpack.oci import Image, LayerInfo
from cogpack.registry.requests import Requests
from cogpack.sinks.registry import RegistrySink

WEIGHT = "model/w.pt"


@dataclass
class Seen:
    """`opened`: how often each file of the project was; `started`: programs."""

    root: str
    opened: "Counter[str]" = field(default_factory=Counter)
    started: list[str] = field(default_factory=list)


_watching: list[Seen] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    for seen in _watching:
        if event == "open" and isinstance(arguments[0], str | bytes | Path):
            path = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
            if path.startswith(f"{seen.root}/"):
                seen.opened[path.removeprefix(f"{seen.root}/")] += 1
        elif event in ("subprocess.Popen", "os.posix_spawn"):
            seen.started.append(Path(str(arguments[0])).name)


sys.addaudithook(_audit)  # for good: Python takes none away


@contextmanager
def counting(project: Project) -> Iterator[Seen]:
    seen = Seen(str(project.root))
    project.world.requests.clear()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def asked(world: World) -> "Counter[str]":
    """Requests by method and what they were for."""
    kinds = ("manifests", "uploads", "blobs")
    return Counter(f"{method} {next(kind for kind in kinds if f'/{kind}/' in path)}" for method, path in world.requests)


def test_a_push_of_nothing_new_asks_once_sends_nothing_and_starts_nothing(pushed: Project) -> None:
    with counting(pushed) as seen:
        done = ok(pushed.cogpack("push", pushed.target(), "--json"))
    assert asked(pushed.world) == {"GET manifests": 1}
    assert (done.json["sent"], done.json["requests"], seen.started) == (0, 0, [])
    assert [seen.opened[path] for path in ("lines.py", "notes.txt", "zebra.txt")] == [1, 1, 1], "they are young"
    assert seen.opened[WEIGHT] <= 2
    assert max(seen.opened.values()) <= 4


def test_a_push_of_old_files_opens_none_of_them_and_of_a_line_that_file_alone(
    pushed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.layers.fingerprints._YOUNG", 0)
    files = ("lines.py", "notes.txt", "zebra.txt")
    for known in (False, True):
        with counting(pushed) as seen:
            ok(pushed.cogpack("push", pushed.target()))
        assert [seen.opened[path] for path in files] == ([0, 0, 0] if known else [1, 1, 1])
    with (pushed.root / "lines.py").open("a") as file:
        file.write("THREE = 3\n")
    with counting(pushed) as seen:
        ok(pushed.cogpack("push", pushed.target("three")))
    assert [seen.opened[path] for path in files] == [2, 1, 1], "read for its hash, and all for the layer"


def test_a_push_of_a_line_sends_one_layer_and_reads_no_weight(pushed: Project) -> None:
    with (pushed.root / "lines.py").open("a") as file:
        file.write("TWO = 2\n")
    with counting(pushed) as seen:
        done = ok(pushed.cogpack("push", pushed.target("line"), "--json"))
    requests = asked(pushed.world)
    assert requests["POST uploads"] == requests["PUT uploads"] <= 2
    assert requests.total() <= 17
    assert (done.json["sent"] < 14_000, seen.started) == (True, [])
    assert [seen.opened[path] for path in ("lines.py", "notes.txt", "zebra.txt")] == [1, 1, 1]
    assert seen.opened[WEIGHT] <= 2


def test_the_config_of_a_known_image_goes_beside_its_layers(pushed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()
    put_config, add_layer = RegistrySink.put_config, RegistrySink.add_layer

    def put(self: RegistrySink, image: Image) -> None:
        put_config(self, image)
        gone.set()

    def add(self: RegistrySink, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        assert gone.wait(30)
        return add_layer(self, layer, on_bytes)

    monkeypatch.setattr(RegistrySink, "put_config", put)
    monkeypatch.setattr(RegistrySink, "add_layer", add)
    (pushed.root / "lines.py").write_text("FOUR = 4\n")
    ok(pushed.cogpack("push", pushed.target("four")))


def test_connections_for_layers_are_opened_where_the_image_is_not_there_by_another_name(
    pushed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(Requests, "connect", lambda _, count: counts.append(count))
    ok(pushed.cogpack("push", pushed.target("again")))
    assert counts == [1]
    (pushed.root / "lines.py").write_text("SIX = 6\n")
    ok(pushed.cogpack("push", pushed.target("six")))
    assert counts[:2] == [1, 1]
    assert counts[2] > 1


def test_a_refused_layer_is_why_a_push_ends_although_the_config_beside_it_ends_first(
    pushed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as interrupted, exit 130."""
    begun, ended, lock = threading.Event(), threading.Event(), threading.Lock()

    def put(self: RegistrySink, _: Image) -> None:
        try:
            self._images.repository.requests.http.cancellation.wait(30)
        finally:
            ended.set()

    def add(_: RegistrySink, __: Outgoing, ___: Callable[[int], None]) -> LayerInfo:
        if lock.acquire(blocking=False):
            assert begun.wait(30)
        else:
            begun.set()
            assert ended.wait(30)
            time.sleep(0.3)  # who waits for all sees the config's end first
        raise DeniedError("refused", next_step="none")

    monkeypatch.setattr(RegistrySink, "put_config", put)
    monkeypatch.setattr(RegistrySink, "add_layer", add)
    (pushed.root / "lines.py").write_text("FIVE = 5\n")
    done = pushed.cogpack("push", pushed.target("five"))
    assert (done.code, "error: refused" in done.err) == (4, True), done.err


def test_a_pull_asks_once_for_each_blob_and_a_verification_for_none_of_a_layer(pushed: Project, tmp_path: Path) -> None:
    with counting(pushed) as seen:
        done = ok(pushed.cogpack("pull", pushed.target(), "-o", str(tmp_path / "out"), "--json"))
    assert asked(pushed.world) == {"GET manifests": 1, "GET blobs": 6}
    assert all(blob["fetched"] == blob["size"] for blob in done.json["blobs"])
    assert (dict(seen.opened), seen.started) == ({}, [])
    with counting(pushed) as seen:
        ok(pushed.cogpack("verify", pushed.target()))
    assert asked(pushed.world) == {"GET manifests": 1, "GET blobs": 1}
    assert (seen.opened[WEIGHT] <= 2, seen.started) == (True, [])


def test_a_build_and_a_verification_read_files_that_no_run_has_read_once(pushed: Project, tmp_path: Path) -> None:
    for command in (("build", "-o", str(tmp_path / "layout")), ("verify", pushed.target())):
        with counting(pushed) as seen:
            ok(pushed.cogpack(*command))
        assert [seen.opened[path] for path in ("lines.py", "notes.txt", "zebra.txt")] == [1, 1, 1], command


@pytest.mark.slow
def test_a_first_push_reads_each_source_once_and_one_with_a_dependency_more_sends_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project(files={"lines.py": "ONE = 1\n", WEIGHT: noise(2_000_000)})
    made: dict[str, str] = {}
    make = BuiltLayer.copy_to

    def watched(layer: BuiltLayer, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        made.setdefault(layer.name, threading.current_thread().name)
        return make(layer, consume, form)

    monkeypatch.setattr(BuiltLayer, "copy_to", watched)
    with counting(project) as seen:
        done = ok(project.cogpack("push", project.target(), "--json"))
    assert asked(world).total() <= 35
    assert 2_000_000 < done.json["sent"] < 2_030_000
    assert (seen.opened["lines.py"], seen.started) == (1, ["uv", "uv"])
    assert seen.opened[WEIGHT] <= 4
    assert made["project"].startswith("layer"), "beside the base, and not before it"
    make_wheel(world.wheels, "thing", files={"thing.py": noise(50_000)})
    project.write("requirements.txt", "--no-index\nthing\n")
    with counting(project) as seen:
        done = ok(project.cogpack("push", project.target("more"), "--json"))
    requests = asked(world)
    assert requests["PUT uploads"] <= 5
    assert requests.total() <= 25
    assert 50_000 < done.json["sent"] < 75_000
    assert (seen.opened[WEIGHT] <= 2, seen.started) == (True, ["uv", "uv"])
