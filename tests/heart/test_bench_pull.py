"""`cogpack bench pull` names the wall that stands there, and leaves nothing behind."""

import math
import os

import pytest
from support.throttled import throttled
from support.world import Project, World, install_docker, noise, ok

from cogpack.bench.model import Form, Wall
from cogpack.commands.bench import Measures, PullBench, bench_pull
from cogpack.session import Session, Settings

MB = 10**6


@pytest.fixture
def image(world: World) -> str:
    project = world.project(files={f"model/{at}.pt": noise(900_000) for at in range(6)})
    ok(project.cogpack("push", project.target()))
    return project.target()


def measured(
    world: World, image: str, *, unpack: float = math.inf, disk: float = math.inf, room: int = 50 * MB
) -> PullBench:
    def rates(*_: object) -> dict[Form, float]:
        return dict.fromkeys(("tar", "gzip", "zstd"), unpack)  # type: ignore[arg-type]

    settings = Settings(
        environment={**world.environment, "PATH": os.environ["PATH"]}, cache=world.directory / "bench", jobs=8
    )
    with Session(settings) as session:
        measures = Measures(unpack=rates, disk=lambda _: disk, seconds=0.2)
        return bench_pull(session, image, engine="docker", room=room, measures=measures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "total", "unpack", "disk", "wall"),
    [
        (2 * MB, None, math.inf, math.inf, "streams"),
        (None, 4 * MB, math.inf, math.inf, "network"),
        (None, None, 1 * MB, math.inf, "unpack"),
        (None, None, math.inf, 1 * MB, "disk"),
    ],
)
def test_the_verdict_names_the_wall_that_was_built(
    world: World,
    image: str,
    monkeypatch: pytest.MonkeyPatch,
    stream: float | None,
    total: float | None,
    unpack: float,
    disk: float,
    wall: Wall,
) -> None:
    install_docker(world.directory, monkeypatch)
    with throttled(world.registry, stream=stream, total=total) as front:
        name = image.replace(world.registry, front)
        found = measured(world, name, unpack=unpack, disk=disk, room=8 * MB)
    assert found.pulls[0].client == "docker"
    assert found.pulls[0].wall == wall, found.pulls[0].costs
    if stream:
        assert found.network.stream == pytest.approx(stream, rel=0.25)
    if total:
        assert found.network.total == pytest.approx(total, rel=0.25)
    assert found.network.received <= 8 * MB


def test_what_was_found_is_told_on_a_page_and_for_programs_and_nothing_is_left(world: World) -> None:
    project: Project = world.project(files={"model/w.pt": noise(1_200_000)})
    ok(project.cogpack("push", project.target()))
    words = ("bench", "pull", project.target(), "--engine", "none", "--budget", "20MB")
    told = ok(world.cogpack(*words, "--html", "page.html"))
    assert "held up by" in told.out
    assert "one layer, gzip (docker build)" in told.out
    page = (world.directory / "page.html").read_text()
    assert page.count("<svg") >= 4
    assert not list(world.directory.rglob(".bench-*"))
    found = ok(world.cogpack(*words, "--json")).json
    assert found["received"] <= 20 * MB
    assert [pull["client"] for pull in found["measured"]] == ["cogpack pull"]


def test_an_image_beyond_the_budget_is_calculated_only(world: World) -> None:
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    ok(project.cogpack("push", project.target()))
    found = ok(world.cogpack("bench", "pull", project.target(), "--engine", "none", "--budget", "1MB", "--json")).json
    assert found["measured"] == []
    assert "of the budget are left" in found["unmeasured"][0]
    assert found["received"] <= MB


def test_an_engine_that_is_not_there_is_said(world: World) -> None:
    done = world.cogpack("bench", "pull", f"{world.registry}/base/python:v1", "--engine", "podmann")
    assert (done.code, "docker, podman, ctr, none" in done.err) == (2, True)
