"""A depot holds all that a lock names of the outside world: images are made of it where no server can be reached."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import pytest
from support.fake_http import serving
from support.git_server import git_server
from support.hub import LARGE, hub
from support.wheels import make_wheel
from support.world import Project, World, noise, ok, push_image

from cogpack.http import transport
from cogpack.planning import proot

TOOL = noise(20_000, seed=3)
WEIGHT = noise(3 * LARGE, seed=4)
Closing: TypeAlias = Callable[[], None]


@pytest.fixture
def closing(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Closing]:
    """Makes this another machine, which has nothing but the project and the depot, and reaches no server."""
    asked: list[str] = []

    def refuse(_: object, request: object) -> object:
        asked.append(str(getattr(request, "url", "")))
        raise AssertionError(f"{asked[-1]} was asked for")

    def close() -> None:
        for name in ("cache", "wheels", "registry"):
            shutil.rmtree(world.directory / name, ignore_errors=True)
        monkeypatch.setattr(transport.Transport, "handle_request", refuse)

    monkeypatch.setattr(proot, "PACKAGES", MappingProxyType({}))
    yield close
    assert asked == []


def with_lines(world: World, *lines: object, more: str = "", base: str = "base/python:v1") -> Project:
    make_wheel(world.wheels, "thing", files={"thing.py": noise(5_000)})
    project = world.project(requirements="thing\n", config=more)
    config = (project.root / "cog.yaml").read_text()
    config = config.replace("predict:", f"  run: {json.dumps(lines)}\npredict:", 1).replace("base/python:v1", base)
    project.write("cog.yaml", config)
    return project


def test_an_image_of_a_registrys_base_and_wheels_is_the_same_without_a_server(world: World, closing: Closing) -> None:
    make_wheel(world.wheels, "thing", files={"thing.py": noise(5_000)})
    project = world.project(requirements="thing\n")
    fetched = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json
    assert fetched["added"] == fetched["size"] > 5_000
    before = ok(project.cogpack("build", "-o", "../before"))
    again = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json
    assert (again["added"], again["files"]) == (0, [{**file, "added": False} for file in fetched["files"]])
    closing()
    after = ok(project.cogpack("build", "--offline", "../depot", "-o", "../after"))
    assert after.digest == before.digest
    planned = ok(project.cogpack("plan", "--offline", "../depot", "--json")).json
    assert planned["layers"]


def test_a_depot_goes_through_a_registry(world: World, closing: Closing) -> None:
    project = world.project()
    name = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json["name"]
    before = ok(project.cogpack("build", "-o", "../before"))
    ok(project.cogpack("copy", f"../depot:{name}", project.target("depot")))
    ok(project.cogpack("copy", project.target("depot"), f"../carried:{name}"))
    closing()
    assert ok(project.cogpack("build", "--offline", "../carried", "-o", "../after")).digest == before.digest


@pytest.mark.slow
def test_whatever_lines_bring_is_the_same_without_a_server(world: World, closing: Closing, programs: bytes) -> None:
    push_image(world.registry, "base/programs:v1", [programs])
    source = "{uri: 'hf://owner/name'}"
    weights = f"model: r.example.com/me/m\nweights:\n  - {{name: w, target: /src/w, source: {source}}}\n"
    with (
        serving(lambda _: (200, {}, TOOL)) as web,
        hub({"config.json": b'{"model_type": "x"}', "model.safetensors": WEIGHT}) as found,
        git_server(world.directory / "served") as server,
    ):
        server.commit("tool", {"tool.py": b"print(1)\n"})
        server.git("tool", "tag", "v1")
        server.commit("tool", {"tool.py": b"print(2)\n"}, at=1_700_000_100)
        make_wheel(world.wheels, "later")
        project = with_lines(
            world,
            f"curl -o /usr/bin/tool {web.url}/tool && chmod +x /usr/bin/tool",
            f"git clone {server.address}/tool /opt/tool",
            f"git clone --depth 1 {server.address}/tool /opt/shallow",
            "python -c \"from huggingface_hub import snapshot_download; snapshot_download('owner/name')\"",
            "pip install --no-index later",
            "cat /opt/tool/tool.py > /etc/made",
            base="base/programs:v1",
            more=weights,
        )
        hub_of = {"HF_ENDPOINT": found.endpoint}
        done = project.cogpack("fetch", "-o", "../depot", **hub_of)
        assert done.code == 3, done.err
        assert "run cogpack lock --run, then fetch again" in done.err
        ok(project.cogpack("lock", "--run", **hub_of))
        ok(project.cogpack("fetch", "-o", "../depot", "--weights", **hub_of))
        before = ok(project.cogpack("build", "-o", "../before", **hub_of))
    closing()
    after = ok(project.cogpack("build", "--offline", "../depot", "-o", "../after"))
    assert "isolated by" not in after.err
    assert after.digest == before.digest


@pytest.mark.slow
def test_what_a_depot_lacks_is_named_and_asked_of_nobody(world: World, closing: Closing) -> None:
    project = with_lines(world, "mkdir -p /opt/x")
    ok(project.cogpack("fetch", "-o", "../depot"))
    make_wheel(world.wheels, "other")
    project.write("requirements.txt", "--no-index\nthing\nother\n")
    ok(project.cogpack("lock"))
    closing()
    done = project.cogpack("build", "--offline", "../depot", "-o", "../after")
    assert done.code == 2
    assert "has no other 1.0 (sha256:" in done.err
    assert "run cogpack fetch -o " in done.err
    project.write("requirements.txt", "--no-index\nthing\n")
    done = project.cogpack("build", "--offline", "../depot", "-o", "../after")
    assert done.code == 3
    assert "was made from another requirements.txt" in done.err


@pytest.mark.slow
def test_a_damaged_file_is_found_when_it_is_used_and_fetched_anew(world: World, closing: Closing) -> None:
    project = with_lines(world, "mkdir -p /opt/x")
    ok(project.cogpack("fetch", "-o", "../depot"))
    shutil.rmtree(world.directory / "cache")  # of which files may be the same ones
    blobs = world.directory / "depot" / "blobs" / "sha256"
    files = json.loads(ok(project.cogpack("fetch", "-o", "../depot", "--json")).out)["files"]
    thing = blobs / next(one["digest"] for one in files if one["what"].startswith("thing"))[7:]
    data = thing.read_bytes()
    thing.unlink()
    thing.write_bytes(bytes(len(data)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport.Transport, "handle_request", lambda *_: pytest.fail("a server was asked"))
        done = project.cogpack("build", "--offline", "../depot", "-o", "../after")
    assert done.code == 3
    assert f"{thing.name}: is not thing" in done.err
    thing.unlink()
    assert ok(project.cogpack("fetch", "-o", "../depot", "--json")).json["added"] == len(data)
    closing()
    ok(project.cogpack("build", "--offline", "../depot", "-o", "../after"))


def test_a_directory_that_is_no_depot_is_refused(world: World, tmp_path: Path) -> None:
    project = world.project()
    for name in (".", "../missing"):
        done = project.cogpack("build", "--offline", name, "-o", "../after")
        assert done.code == 2
        assert "cogpack fetch -o DIR" in done.err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    done = project.cogpack("fetch", "-o", "../full")
    assert done.code == 2
    assert "holds files and is not an OCI image layout" in done.err
