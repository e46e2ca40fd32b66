"""What lines of `build.run` clone is pinned and laid: the image has it without a command being run."""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from support.git_server import GitServer, git_server
from support.wheels import make_wheel
from support.world import Project, World, noise, ok, push_image

from tests.heart.test_lines_that_are_not_run import base_tar

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")

WEIGHT = noise(300_000)


@pytest.fixture
def server(world: World) -> Iterator[GitServer]:
    with git_server(world.directory / "served") as found:
        found.commit("tool", {"tool.py": b"print(1)\n", "run.sh": b"#!/bin/sh\n"})
        found.git("tool", "tag", "v1")
        yield found


Cloning: TypeAlias = Callable[..., Project]


@pytest.fixture
def cloning(world: World) -> Cloning:
    push_image(world.registry, "base/links:v1", [base_tar()])

    def make(*lines: str, name: str = "model", more: str = "") -> Project:
        project = world.project(name, {})
        project.write(
            "cog.yaml",
            'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
            f"  run: {json.dumps(lines)}\n"
            f'predict: "predict.py:Predictor"\ncogpack:\n  base: {world.registry}/base/links:v1\n{more}',
        )
        return project

    return make


@pytest.mark.slow
def test_a_cloned_repository_is_in_the_image_and_a_server_is_asked_once(
    world: World, server: GitServer, cloning: Cloning
) -> None:
    url = f"{server.address}/tool.git"
    project = cloning(f"git clone {url} /models/tool && cd /models/tool && git checkout v1")
    ok(project.cogpack("push", project.target()))
    files = world.files("me/model", "v1")
    place = "data/m/tool"  # behind a link of the base
    assert files[f"{place}/tool.py"] == b"print(1)\n"
    assert files[f"{place}/.git/HEAD"] == f"{server.git('tool', 'rev-parse', 'HEAD')}\n".encode()
    locked = (project.root / "cogpack.lock").read_text()
    assert f'clones = [\n    {{ url = "{url}", directory = "models/tool", revision = "v1", commit = ' in locked
    asked = len(server.requests)
    server.commit("tool", {"tool.py": b"print(2)\n"}, at=1_700_000_100)
    shutil.rmtree(world.directory / "cache", ignore_errors=True)
    again = ok(project.cogpack("push", project.target("v2"), "--locked"))
    assert world.manifest("me/model", "v2") == world.manifest("me/model", "v1"), again.err
    assert len(server.requests) == asked, "what the registry has is fetched by nobody"


@pytest.mark.slow
def test_plan_tells_the_commit_and_upgrade_run_takes_the_newest(server: GitServer, cloning: Cloning) -> None:
    project = cloning(f"git clone {server.address}/tool /opt/tool")
    first = server.git("tool", "rev-parse", "HEAD")
    ok(project.cogpack("lock"))
    (step,) = ok(project.cogpack("plan", "--json")).json["steps"]
    assert step["effect"] == [f"clone {server.address}/tool into /opt/tool, pinned to {first[:12]}"]
    second = server.commit("tool", {"new": b"1"}, at=1_700_000_200)
    ok(project.cogpack("lock"))
    assert first in (project.root / "cogpack.lock").read_text()
    ok(project.cogpack("lock", "--upgrade-run"))
    assert second in (project.root / "cogpack.lock").read_text()


@pytest.mark.slow
def test_requirements_of_a_clone_are_installed_and_nothing_is_run(
    world: World, server: GitServer, cloning: Cloning
) -> None:
    for name, version in (("in-clone", "1.0"), ("in-clone", "2.0"), ("limited", "1.0"), ("limited", "2.0")):
        make_wheel(world.wheels, name.replace("-", "_"), version)
    server.commit(
        "tool", {"requirements/all.txt": b"-c limits.txt\nin-clone\n", "requirements/limits.txt": b"in-clone<2\n"}
    )
    lines = (
        f"git clone {server.address}/tool /opt/tool",
        "cd /opt/tool && pip install --no-index -r requirements/all.txt limited",
        "pip uninstall -y -r /opt/tool/requirements/all.txt",
    )
    project = cloning(*lines[:2])
    ok(project.cogpack("lock"))
    assert [step["known"] for step in ok(project.cogpack("plan", "--json")).json["steps"]] == [True, True]
    locked = (project.root / "cogpack.lock").read_text()
    assert "in_clone-1.0-py3" in locked
    assert "limited-2.0-py3" in locked
    ok(project.cogpack("lock", "--check"))
    project = cloning(*lines, name="other")
    ok(project.cogpack("push", project.target()))
    assert not any("in_clone" in path for path in world.files("me/other", "v1"))


@pytest.mark.slow
def test_what_can_not_be_laid_exactly_is_left_to_the_sandbox_and_the_plan_says_why(
    server: GitServer, cloning: Cloning
) -> None:
    server.commit("large", {".gitattributes": b"*.bin filter=lfs\n", "a.bin": b"version https://git-lfs"})
    project = cloning(f"git clone {server.address}/large /opt/large", "mkdir -p /opt/after")
    ok(project.cogpack("lock"))
    first, second = ok(project.cogpack("plan", "--json")).json["steps"]
    assert "'a.bin' goes through the filter 'lfs'" in first["sandboxed"]
    assert second["known"] or "precedes it" in second["sandboxed"]


@pytest.mark.slow
def test_a_repository_that_went_away_is_told_with_its_step(world: World, server: GitServer, cloning: Cloning) -> None:
    project = cloning(f"git clone {server.address}/tool /opt/tool")
    ok(project.cogpack("lock"))
    shutil.rmtree(world.directory / "cache", ignore_errors=True)
    shutil.rmtree(server.root / "tool")
    done = project.cogpack("push", project.target(), "--locked")
    assert done.code == 2
    assert "there is no such repository" in done.err


@pytest.mark.slow
def test_commands_that_are_run_see_what_was_cloned(
    world: World, server: GitServer, cloning: Cloning, programs: bytes
) -> None:
    push_image(world.registry, "base/links:v1", [programs])
    project = cloning(f"git clone {server.address}/tool /opt/tool", "cat /opt/tool/tool.py /opt/tool/.git/HEAD > /seen")
    ok(project.cogpack("push", project.target()))
    assert world.files("me/model", "v1")["seen"] == b"print(1)\nref: refs/heads/main\n"
