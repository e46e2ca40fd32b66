"""`cogpack bench push` names the wall that stands there, and leaves nothing behind."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.fake_registry import FakeRegistry
from support.faults import Fault, answer
from support.personalities import ACR, CLOUDFLARE, ECR, GAR, Personality, error
from support.platforms import push_index
from support.throttled import throttled
from support.world import Project, World, noise, ok

from cogpack.bench.machine import Processor
from cogpack.bench.push_model import PushWall
from cogpack.commands.bench_push import PushBench, PushMeasures, bench_push
from cogpack.progress import Cancellation, Cancelled
from cogpack.registry.server.uploads import Upload
from cogpack.session import Session, Settings

MB = 10**6
FREE = Processor(cores=2, sha256=math.inf, gzip=math.inf, zstd=math.inf, inflate=math.inf)


def measured(
    world: World,
    target: str,
    directory: Path,
    *,
    processor: Processor = FREE,
    disk: float = math.inf,
    room: int = 20 * MB,
    commit: bool = False,
    cancellation: Cancellation | None = None,
) -> PushBench:
    settings = Settings(environment=world.environment, directory=directory, cache=world.directory / "cache", jobs=4)
    with Session(settings, cancellation=cancellation) as session:
        measures = PushMeasures(processor=lambda: processor, disk=lambda _: disk, seconds=0.2)
        return bench_push(session, target, room=room, commit=commit, measures=measures)


@pytest.fixture
def project(world: World) -> Project:
    """One of weights, which go as they are, and a large file, which is compressed."""
    weights = {f"model/{at}.pt": noise(900_000, at) for at in range(6)}
    return world.project(files={**weights, "table.csv": noise(500_000, 7)})


@pytest.fixture
def nowhere(world: World) -> Path:
    """A directory with no project in it or above."""
    place = world.directory / "nowhere"
    place.mkdir()
    return place


def stored(world: World) -> set[str]:
    """All files of the registry."""
    return {str(path) for path in (world.directory / "registry").rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "total", "commit", "processor", "disk", "wall"),
    [
        (1 * MB, None, 0, {}, math.inf, "streams"),
        (None, 4 * MB, 0, {}, math.inf, "network"),
        (None, None, 2 * MB, {}, math.inf, "registry"),
        (None, None, 0, {"sha256": 1 * MB}, math.inf, "hashing"),
        (None, None, 0, {"gzip": 0.1 * MB}, math.inf, "compression"),
        (None, None, 0, {}, 1 * MB, "disk"),
    ],
)
def test_the_verdict_names_the_wall_that_was_built(
    world: World,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    stream: float | None,
    total: float | None,
    commit: float,
    processor: dict[str, float],
    disk: float,
    wall: PushWall,
) -> None:
    plain = Upload.commit

    def slowly(upload: Upload, digest: Any) -> None:
        time.sleep(upload.size / commit if commit else 0.0)
        plain(upload, digest)

    monkeypatch.setattr(Upload, "commit", slowly)
    built = msgspec.structs.replace(FREE, **processor)
    with throttled(world.registry, stream=stream, total=total, upward=True) as front:
        found = measured(world, f"{front}/me/model", project.root, processor=built, disk=disk)
    assert found.project
    assert found.push.wall == wall, found.push.costs
    assert found.measured is not None
    if stream:
        assert found.uploads.stream == pytest.approx(stream, rel=0.25)
    if total:
        assert found.uploads.total == pytest.approx(total, rel=0.25)
    if stream or total:
        assert -0.6 < found.measured.error < 0.3, found.measured  # on a busy machine all takes longer than calculated
    if commit:
        assert found.uploads.finishing.rate == pytest.approx(commit, rel=0.25)
    assert found.sent <= 20 * MB


def test_what_a_push_takes_is_told_on_a_page_and_for_programs_and_nothing_is_left(world: World) -> None:
    before = stored(world)
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    target = f"{world.registry}/me/model"
    words = ("bench", "push", target, "--budget", "20MB")
    told = ok(project.cogpack(*words, "--html", "page.html"))
    assert "held up by" in told.out
    assert "rehearsed by -j 4" in told.out
    assert "of the project here" in told.out
    page = (project.root / "page.html").read_text()
    assert page.count("<svg") >= 4
    (project.root / "page.html").unlink()
    found = ok(project.cogpack(*words, "--json")).json
    assert found["sent"] <= 20 * MB
    assert {layer["name"] for layer in found["layers"]} >= {"weights: model/w.pt", "project"}
    assert found["measured"]["seconds"] > 0
    assert (found["uploads"]["cancels"], found["left"]) == (True, [])
    assert {one["shape"] for one in found["uploads"]["shapes"] if one["taken"]} == {"stream", "chunks"}
    asked = [path for _, path in world.requests if "/v2/me/model/" in path]
    assert not [path for path in asked if "/manifests/" in path]
    opened = [path for method, path in world.requests if method == "POST" and "/v2/me/model/" in path]
    ended = [path for method, path in world.requests if method == "DELETE"]
    assert len(opened) == len(ended)
    assert stored(world) == before


def test_without_a_project_random_bytes_stand_for_one(world: World, nowhere: Path) -> None:
    words = ("bench", "push", f"{world.registry}/me/new", "--budget", "8MB", "--json")
    found = ok(world.cogpack(*words, directory=nowhere)).json
    assert (found["project"], found["size"], found["unmeasured"]) == (False, 2 * MB, [])
    assert found["measured"]["seconds"] > 0
    assert found["sent"] <= 8 * MB


def test_a_budget_too_small_for_a_rate_is_refused(world: World) -> None:
    target = f"{world.registry}/me/model"
    done = world.project().cogpack("bench", "push", target, "--budget", "50kB")
    assert done.code == 2
    assert "allow 1.0 MB at least" in done.err


def test_a_project_beyond_the_budget_is_calculated_only(world: World) -> None:
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    found = ok(project.cogpack("bench", "push", f"{world.registry}/me/model", "--budget", "1MB", "--json")).json
    assert found["measured"] is None
    assert "of the budget are left" in found["unmeasured"][0]
    assert (found["project"], found["push"]["seconds"] > 0) == (True, True)
    assert found["sent"] <= MB


def test_of_a_project_that_is_there_nothing_would_go(world: World) -> None:
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    ok(project.cogpack("push", project.target()))
    found = measured(world, project.target(), project.root, room=8 * MB)
    assert not found.project
    assert found.reused > 1_200_000


def test_one_blob_is_made_and_deleted_where_that_is_asked_for(world: World, nowhere: Path) -> None:
    target = f"{world.registry}/me/new"
    assert measured(world, target, nowhere, room=4 * MB).uploads.finishing.how == "refused"
    assert not [path for method, path in world.requests if method == "DELETE" and "/blobs/sha256:" in path]
    found = measured(world, target, nowhere, room=4 * MB, commit=True)
    assert (found.uploads.finishing.how, found.left) == ("stored", ())
    deleted = [path for method, path in world.requests if method == "DELETE" and "/blobs/sha256:" in path]
    assert len(deleted) == 2  # one that nobody has, to know whether that would do, and ours


@pytest.fixture
def fake(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    with FakeRegistry(getattr(request, "param", Personality("plain"))).running() as registry:
        yield registry


@pytest.mark.parametrize(
    ("fake", "shape"),
    [(ACR, "stream"), (GAR, "stream"), (ECR, "stream"), (CLOUDFLARE, "chunks")],
    indirect=["fake"],
    ids=["acr", "gar", "ecr", "cloudflare"],
)
def test_bodies_go_as_the_registry_takes_them(world: World, nowhere: Path, fake: FakeRegistry, shape: str) -> None:
    found = measured(world, f"{fake.address}/me/new", nowhere, room=8 * MB)
    assert found.uploads.shape == shape
    assert found.measured is not None
    refused = {one.shape: one.said for one in found.uploads.shapes if not one.taken}
    expected = {"gar": {"chunks"}, "cloudflare": {"stream"}}
    assert refused.keys() == expected.get(fake.personality.name, set())
    assert not fake.sessions
    assert not fake.blobs
    assert not fake.kinds("PUT manifest")


def test_a_registry_without_patch_is_measured_by_puts(world: World, nowhere: Path, fake: FakeRegistry) -> None:
    fake.on("PATCH session", answer(405, error("UNSUPPORTED"), times=999))
    found = measured(world, f"{fake.address}/me/new", nowhere, room=8 * MB)
    assert found.uploads.shape == "put"
    refused = {one.shape: one.said[:8] for one in found.uploads.shapes if not one.taken}
    assert refused == {"stream": "HTTP 405", "chunks": "HTTP 405"}
    assert found.measured is not None
    assert not fake.blobs.get("me/new")


def test_a_registry_that_takes_nothing_is_an_error(world: World, nowhere: Path, fake: FakeRegistry) -> None:
    for kind in ("PATCH session", "PUT session"):
        fake.on(kind, answer(405, error("UNSUPPORTED"), times=999))
    done = world.cogpack("bench", "push", f"{fake.address}/me/new", "--budget", "1MB", directory=nowhere)
    assert (done.code, done.err.count(": HTTP 405")) == (5, 3), done.err
    assert not fake.sessions


def test_who_may_not_cancel_is_told_that_uploads_expire(world: World, nowhere: Path, fake: FakeRegistry) -> None:
    fake.on("DELETE session", answer(405, error("UNSUPPORTED"), times=999))
    words = ("bench", "push", f"{fake.address}/me/new", "--budget", "1MB")
    done = ok(world.cogpack(*words, directory=nowhere))
    assert "cancels no uploads for us: what was sent goes when they expire" in done.out


def test_a_registry_that_checks_no_digest_is_found_out(world: World, nowhere: Path, fake: FakeRegistry) -> None:
    fake.on("PUT session", answer(201, times=999))
    fake.on("DELETE blob", answer(405, error("UNSUPPORTED"), times=999))
    fake.on("HEAD blob", answer(200, times=999))
    words = ("bench", "push", f"{fake.address}/me/new", "--budget", "1MB")
    done = ok(world.cogpack(*words, directory=nowhere))
    assert "could not be deleted: sha256:" in done.out
    assert len(fake.kinds("DELETE blob")) == len(fake.kinds("PUT session"))


def test_it_is_told_where_bytes_go(world: World, nowhere: Path, fake: FakeRegistry) -> None:
    with throttled(fake.address) as storage:
        fake.locate = lambda path: f"http://{storage}{path}"
        found = measured(world, f"{fake.address}/me/new", nowhere, room=2 * MB)
    uploads = found.uploads
    assert (uploads.host, uploads.storage, uploads.redirected, uploads.tls) == (fake.address, storage, True, False)


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (401, error("UNAUTHORIZED"), 4, "refused the right to push to me/new"),
        (403, error("DENIED", "read only"), 4, "read only"),
        (404, error("NAME_UNKNOWN"), 2, "has no repository"),
    ],
)
def test_who_may_not_push_is_told_before_anything_is_sent(
    world: World, nowhere: Path, fake: FakeRegistry, status: int, body: bytes, code: int, said: str
) -> None:
    fake.on("POST session", answer(status, body, times=99))
    done = world.cogpack("bench", "push", f"{fake.address}/me/new", directory=nowhere)
    assert (done.code, said in done.err) == (code, True), done.err
    assert not fake.kinds("PATCH session", "PUT session")


def test_a_registry_alone_and_a_digest_are_no_repository(world: World, nowhere: Path) -> None:
    for target, said in ((world.registry, "write"), (f"{world.registry}/a@sha256:{'0' * 64}", "its own digest")):
        done = world.cogpack("bench", "push", target, directory=nowhere)
        assert (done.code, said in done.err) == (2, True)


@pytest.mark.parametrize("when", [0.1, 0.5])
def test_an_interruption_leaves_nothing(world: World, nowhere: Path, fake: FakeRegistry, when: float) -> None:
    fake.on("PATCH session", Fault("slow", rate=200_000, times=999))
    cancellation = Cancellation()
    timer = threading.Timer(when, cancellation.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        measured(world, f"{fake.address}/me/new", nowhere, cancellation=cancellation)
    timer.join()
    deadline = time.monotonic() + 5
    while fake.sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not fake.sessions
    assert len(fake.kinds("POST session")) == len(fake.kinds("DELETE session"))


def test_what_platforms_share_would_go_once(world: World) -> None:
    push_index(world)
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    text = (project.root / "cog.yaml").read_text().replace("python:v1", "python:v2")
    project.write("cog.yaml", f"{text}  platforms: [linux/amd64, linux/arm64]\n")
    found = measured(world, f"{world.registry}/me/model", project.root)
    assert found.measured is not None
    names = [layer.name for layer in found.layers]
    assert names.count("weights: model/w.pt") == 1
    assert all(layer.size for layer in found.layers)


def test_before_its_commands_are_run_a_project_is_not_rehearsed(world: World) -> None:
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    text = (project.root / "cog.yaml").read_text().replace("build:\n", "build:\n  run: [make something]\n")
    project.write("cog.yaml", text)
    found = measured(world, f"{world.registry}/me/model", project.root, room=8 * MB)
    assert not found.project
    assert found.unmeasured == ("commands of build.run are yet to be run; cogpack build runs them",)
