"""One build to several tags, repositories and registries: the tags move when all of it is everywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import plain
from support.fake_registry import FakeRegistry
from support.faults import answer
from support.personalities import DIST3
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.registry.server import Server

pytestmark = pytest.mark.slow

FILES = {"model/w.pt": noise(1_200_000)}
BIG = 1_500_000
"""Bytes of a wheel whose layer is worth copying."""


def with_wheel(world: World) -> Project:
    """A project with a layer that costs something to make."""
    make_wheel(world.wheels, "big", files={"big.txt": noise(BIG, seed=1)})
    return world.project(files=FILES, requirements="big\n")


@pytest.fixture
def second(tmp_path: Path) -> Iterator[str]:
    with Server(tmp_path / "second") as server:
        yield server.address


def tags(world: World, registry: str, repository: str) -> dict[str, str]:
    base = f"http://{registry}/v2/{repository}"
    answer = plain.get(f"{base}/tags/list")
    names = answer.json().get("tags") or [] if answer.status_code == 200 else []
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return {
        name: plain.head(f"{base}/manifests/{name}", headers=accept).headers["Docker-Content-Digest"] for name in names
    }


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("R:v1", "R:v2"), ("v1", "v2")),
        (("R", "-t", "v1", "-t", "latest"), ("v1", "latest")),
        (("-t", "v1", "R", "--tag=v2"), ("v1", "v2")),
        (("R:v1", "-t", "latest"), ("v1", "latest")),
        (("R:v1", "-q", "R"), ("v1", "latest")),
        (("R:v1", "R:v1", "-t", "v1"), ("v1",)),
    ],
)
def test_all_tags_of_a_repository_name_one_image(world: World, words: tuple[str, ...], named: tuple[str, ...]) -> None:
    project = world.project(files=FILES)
    repository = f"{world.registry}/me/model"
    pushed = ok(project.cogpack("push", *(word.replace("R", repository, 1) for word in words), "--json")).json
    assert pushed["tags"] == [f"{repository}:{tag}" for tag in named]
    assert pushed["reference"] == f"{repository}@{pushed['digest']}"
    assert tags(world, world.registry, "me/model") == dict.fromkeys(named, pushed["digest"])


def test_a_tag_more_costs_one_manifest(world: World) -> None:
    project = world.project(files=FILES)
    first = ok(project.cogpack("push", project.target(), "--json")).json
    more = ok(project.cogpack("push", project.target(), "-t", "v2", "-t", "v3", "--json")).json
    assert (more["digest"], more["requests"], more["reused"]) == (
        first["digest"],
        2,
        sum(layer["size"] for layer in first["layers"]),
    )
    again = ok(project.cogpack("push", project.target(), "-t", "v2", "--json")).json
    assert (again["sent"], again["requests"]) == (0, 0)


@pytest.mark.parametrize(
    ("words", "said", "advice"),
    [
        (("-t", "ghcr.io/me/x:v1"), "--tag 'ghcr.io/me/x:v1': expected a tag", "cogpack push ghcr.io/me/x:v1"),
        (("-t", "a b"), "--tag 'a b': expected a tag", "write it as v1"),
    ],
)
def test_what_is_no_tag_is_refused_before_any_work(
    world: World, words: tuple[str, ...], said: str, advice: str
) -> None:
    project = world.project()
    done = project.cogpack("push", project.target(), *words)
    assert done.code == 2
    assert said in done.err
    assert advice in done.err
    assert not (project.root / "cogpack.lock").exists()


def test_two_registries_get_one_build(world: World, second: str) -> None:
    project = with_wheel(world)
    pushed = ok(project.cogpack("push", project.target(), f"{second}/other/name:v7", "--json")).json
    assert tags(world, world.registry, "me/model") == {"v1": pushed["digest"]}
    assert tags(world, second, "other/name") == {"v7": pushed["digest"]}
    one, two = pushed["targets"]
    assert one["copied"] == 0
    large = [layer for layer in pushed["layers"] if layer["name"].startswith("wheels")]
    assert two["copied"] == sum(layer["size"] for layer in large) > BIG
    lines = ok(project.cogpack("push", project.target(), f"{second}/other/name:v7")).out.splitlines()
    assert lines == [f"{world.registry}/me/model@{pushed['digest']}", f"{second}/other/name@{pushed['digest']}"]


def test_a_later_push_elsewhere_takes_from_where_it_was_pushed(world: World, second: str) -> None:
    project = with_wheel(world)
    ok(project.cogpack("push", project.target()))
    world.requests.clear()
    done = ok(project.cogpack("push", f"{second}/me/model:v1", "--json")).json
    assert done["copied"] > BIG
    assert [path for method, path in world.requests if method == "GET" and "/blobs/" in path and "base" not in path]
    rebuilt = ok(project.cogpack("push", "--rebuild", f"{second}/me/again:v1", "--json")).json
    assert (rebuilt["copied"], rebuilt["digest"]) == (0, done["digest"])


def test_no_tag_moves_anywhere_where_one_target_does_not_get_all(world: World) -> None:
    project = world.project(files=FILES)
    ok(project.cogpack("push", project.target()))
    before = tags(world, world.registry, "me/model")
    project.write("notes.txt", "changed")
    with FakeRegistry(DIST3).running() as other:
        other.on("PUT manifest", answer(507, times=99))
        done = project.cogpack("push", project.target(), f"{other.address}/me/model:v1")
    assert done.code != 0
    assert "tags that moved: none" in done.err
    assert done.out == ""
    assert tags(world, world.registry, "me/model") == before


def test_what_moved_is_told_where_the_last_target_keeps_its_tag(world: World) -> None:
    project = world.project(files=FILES)
    with FakeRegistry(DIST3).running() as other:
        other.on("PUT manifest", answer(403, times=99), when=lambda seen: seen.path.endswith("/v1"))
        done = project.cogpack("push", project.target(), f"{other.address}/me/model:v1")
    assert done.code == 4
    assert f"tags that moved: {project.target()}" in done.err
    assert list(tags(world, world.registry, "me/model")) == ["v1"]


def test_a_plan_of_several_targets_tells_what_any_of_them_lacks(world: World, second: str) -> None:
    project = world.project(files=FILES)
    ok(project.cogpack("push", project.target()))

    def moving(*targets: str) -> list[str]:
        layers = ok(project.cogpack("push", "--dry-run", *targets, "--json")).json["layers"]
        return [layer["name"] for layer in layers if layer["moves"]]

    assert moving(project.target()) == []
    assert "project" in moving(project.target(), f"{second}/me/model")


def test_a_plan_tells_what_mounts_from_a_repository_beside_it(world: World) -> None:
    project = with_wheel(world)
    ok(project.cogpack("push", project.target()))
    beside = f"{world.registry}/other/name:v1"
    done = ok(project.cogpack("push", "--dry-run", beside, "--json"))
    layers = done.json["layers"]
    assert {(layer["moves"], layer["mounts"]) for layer in layers} == {(True, True)}
    shown = ok(project.cogpack("plan", beside))
    assert {line.split()[0] for line in shown.out.splitlines() if "layer" not in line} == {"mounts"}
    assert f"0 of {len(layers)} layers move; {len(layers)} mount from other repositories" in shown.err
    assert [layer["sent"] for layer in ok(project.cogpack("push", beside, "--json")).json["layers"]] == [0] * len(
        layers
    )


def test_a_plan_of_several_targets_mounts_what_no_target_needs_to_be_sent(world: World, second: str) -> None:
    project = with_wheel(world)
    ok(project.cogpack("push", project.target()))

    def verdicts(*targets: str) -> set[tuple[bool, bool]]:
        layers = ok(project.cogpack("push", "--dry-run", *targets, "--json")).json["layers"]
        return {(layer["moves"], layer["mounts"]) for layer in layers}

    beside = f"{world.registry}/other/name:v1"
    assert verdicts(project.target()) == {(False, False)}
    assert verdicts(project.target(), beside) == {(True, True)}
    assert verdicts(beside, f"{second}/me/model:v1") == {(True, False)}
