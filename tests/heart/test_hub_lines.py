"""Lines of `build.run` that download from the hub are not run: what they bring is pinned, and streamed into layers."""

import json
import re
from collections.abc import Iterator

import pytest
from support.hub import LARGE, Hub, hub
from support.world import Project, World, ok, push_image

CACHE = "root/.cache/huggingface/hub/models--owner--name"
TOKEN = "hunter2-and-more"
PYTHON = "python -c \"from huggingface_hub import snapshot_download; snapshot_download('owner/name')\""
TAKEN = "huggingface-cli download owner/name config.json --local-dir /weights"


@pytest.fixture
def found() -> Iterator[Hub]:
    with hub({"config.json": b'{"model_type": "x"}', "model.safetensors": b"w" * LARGE}, token=TOKEN) as server:
        yield server


def with_lines(world: World, *lines: str) -> Project:
    project = world.project()
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("predict:", f"  run: {json.dumps(lines)}\npredict:", 1))
    return project


@pytest.mark.slow
def test_what_lines_bring_from_the_hub_is_pinned_and_in_the_image(world: World, found: Hub) -> None:
    project = with_lines(world, PYTHON, TAKEN)
    hub_of = {"HF_ENDPOINT": found.endpoint, "HF_TOKEN": TOKEN}
    done = ok(project.cogpack("push", project.target(), **hub_of))
    assert "isolated by" not in done.err
    files = world.files("me/model", "v1")
    commit = found.revision
    assert files[f"{CACHE}/refs/main"] == commit.encode()
    link = files[f"{CACHE}/snapshots/{commit}/model.safetensors"]
    assert isinstance(link, str)
    assert files[f"{CACHE}/{link.removeprefix('../../')}"] == b"w" * LARGE
    assert files["weights/config.json"] == b'{"model_type": "x"}'
    lock = (project.root / "cogpack.lock").read_text()
    assert commit in lock
    assert TOKEN not in lock + done.err + repr(files)

    found.revision = "b" * 40  # the branch moves
    served = dict(found.served)
    again = ok(project.cogpack("push", "--locked", project.target("v2")))
    assert (again.digest, found.served) == (done.digest, served)
    planned = ok(project.cogpack("plan", "--json")).json["steps"]
    assert planned[0]["effect"] == [
        f"download owner/name into /root/.cache/huggingface/hub, pinned to {commit[:12]} (2 files, 1 kB)"
    ]
    path = project.root / "cogpack.lock"
    path.write_text(re.sub(r"hub_revisions = \[.*?^\]\n", "", lock, flags=re.DOTALL | re.MULTILINE))
    assert project.cogpack("lock", "--check").code == 3  # of who knew less of the lines
    path.write_text(lock)
    found.files["new.txt"] = b"new"
    told = ok(project.cogpack("lock", "--upgrade", **hub_of)).err
    assert f"moved    hf://owner/name@main {commit[:12]} -> {'b' * 12}" in told


def test_a_repository_that_is_not_to_be_had_is_told_with_the_line(world: World, found: Hub) -> None:
    project = with_lines(world, PYTHON)
    done = project.cogpack("lock", HF_ENDPOINT=found.endpoint)
    assert done.code == 2
    assert "cog.yaml:4:9: build.run[0]: hf://owner/name: no such model or revision, or it is private" in done.err


@pytest.mark.slow
def test_commands_that_are_run_see_what_lines_before_them_bring(world: World, found: Hub, programs: bytes) -> None:
    push_image(world.registry, "base/programs:v1", [programs])
    look = f"cat /weights/config.json /{CACHE}/snapshots/*/config.json > /etc/made"
    project = with_lines(world, PYTHON, TAKEN, look)
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("base/python:v1", "base/programs:v1"))
    done = ok(project.cogpack("push", project.target(), HF_ENDPOINT=found.endpoint, HF_TOKEN=TOKEN))
    assert "run: 1 step, isolated by" in done.err
    assert world.files("me/model", "v1")["etc/made"] == b'{"model_type": "x"}' * 2
