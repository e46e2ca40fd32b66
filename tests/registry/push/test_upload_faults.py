"""Faults of uploads, row by row of docs/faults.md, against a fake registry that has the manners of real ones."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import fake_endpoints, faults, personalities
from support.fake_http import Answer, Request, serving
from support.fake_registry import FakeRegistry
from support.faults import answer, late, reset
from support.personalities import (
    ACR,
    CLOUDFLARE,
    DIST3,
    DIST28,
    ECR,
    GAR,
    GHCR,
    GITEA,
    HARBOR,
    NGINX,
    QUAY,
    ZOT,
    Personality,
)

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http as RealHttp
from cogpack.http import Limits
from cogpack.http.deadlines import Deadlines
from cogpack.notes import Note
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation, Task
from cogpack.reference import Reference
from cogpack.registry import profiles
from cogpack.registry.credentials import Credentials
from cogpack.registry.profiles import Profile, Shape
from cogpack.registry.push.requests import commit_timeout
from cogpack.registry.repository import Repository

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
DATA = random.Random(4).randbytes(3 * MiB + 123)
BLOB = Descriptor(media_type="application/octet-stream", digest=sha256(DATA), size=len(DATA))
SENT = "PUT session"
PATCH = "PATCH session"


NOW = [0.0]
"""The clock of all retries: waiting is what moves it."""


def Http() -> RealHttp:  # noqa: N802 - the real one, by that clock
    return RealHttp(clock=lambda: NOW[0], backoff=lambda _: 0.0)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nothing waits; what would have been waited for, in seconds."""
    found: list[float] = []

    def wait(_: object, seconds: float) -> None:
        found.append(seconds)
        NOW[0] += seconds

    monkeypatch.setattr("cogpack.progress.Cancellation.wait", wait)
    return found


class Body:
    """The data, in blocks of 64 KiB; counts its passes, and how many of them were drained."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.passes = 0
        self.drained = 0

    def __iter__(self) -> Iterator[bytes]:
        self.passes += 1
        for start in range(0, len(self.data), 65536):
            yield self.data[start : start + 65536]
        self.drained += 1


def profiled(monkeypatch: pytest.MonkeyPatch, *shapes: Shape, chunk: int = MiB) -> None:
    profile = Profile(name="test", hosts=r"127\.0\.0\.1", shapes=shapes, chunk=chunk, source="this test")
    monkeypatch.setattr(profiles, "PROFILES", (profile,))


def repository(http: RealHttp, registry: FakeRegistry, tmp_path: Path | None = None, name: str = "a/b") -> Repository:
    environment = {"HOME": "/nonexistent"}
    if registry.auth and tmp_path is not None:
        (tmp_path / "config.json").write_text(
            f'{{"auths": {{"{registry.address}": {{"auth": "dXNlcjpvcGVuIHNlc2FtZQ=="}}}}}}'
        )
        environment["DOCKER_CONFIG"] = str(tmp_path)
    reference = Reference.parse(f"{registry.address}/{name}")
    return Repository(http, reference, Credentials.from_environment(environment), actions=("pull", "push"))


def push(
    registry: FakeRegistry,
    body: Body | None = None,
    *,
    known: bool = True,
    on_bytes: Callable[[int], None] = lambda _: None,
    tmp_path: Path | None = None,
) -> Body:
    body = body or Body()
    with Http() as http:
        repository(http, registry, tmp_path).upload(
            body,
            descriptor=BLOB if known else None,
            finished=lambda: sha256(body.data),
            on_bytes=on_bytes,
            name="weights: model",
        )
    return body


def stored(registry: FakeRegistry) -> bool:
    return registry.blobs.get("a/b", {}).get(BLOB.digest) == DATA


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(DIST28).running() as running:
        yield running


@pytest.fixture
def like(request: pytest.FixtureRequest) -> Iterator[Callable[[Personality], FakeRegistry]]:
    """Start a registry of another personality."""
    open_: list[object] = []

    def start(personality: Personality, **more: str) -> FakeRegistry:
        context = FakeRegistry(personality, **more).running()  # type: ignore[arg-type]
        open_.append(context)
        return context.__enter__()

    yield start
    for context in open_:
        context.__exit__(None, None, None)  # type: ignore[attr-defined]


Like = Callable[..., FakeRegistry]


# F1 - F8: broken bodies, and what a session says of itself


def test_f1_a_put_that_breaks_once_is_sent_again_whole(registry: FakeRegistry) -> None:
    registry.on(SENT, reset(after=MiB))
    body = push(registry)
    assert stored(registry)
    assert registry.kinds("POST session", SENT) == ["POST session", SENT, "POST session", SENT]
    assert body.passes == 2


def test_f2_a_blob_that_always_breaks_at_one_place_is_tried_in_every_shape_then_named(registry: FakeRegistry) -> None:
    registry.on(SENT, reset(after=MiB, times=50))
    registry.on(PATCH, reset(after=MiB, times=50))
    with pytest.raises(UnavailableError) as failed:
        push(registry)
    for word in ("weights: model", "put", "stream", "chunks", "bytes"):
        assert word in failed.value.message
    assert not registry.blobs.get("a/b")
    # Four tries a shape; what lies in the sockets' buffers can look like progress once or twice.
    assert 4 <= len(registry.kinds(SENT)) <= 12
    assert 8 <= len(registry.kinds(PATCH)) <= 24


def test_f3_a_session_that_died_with_its_patch_is_not_asked_for_ever(registry: FakeRegistry) -> None:
    registry.on(PATCH, reset(after=MiB))
    push(registry, known=False)
    assert stored(registry)
    assert registry.kinds("GET session") == ["GET session"]
    assert registry.kinds(PATCH) == [PATCH, PATCH]


@pytest.mark.parametrize("personality", [DIST3, QUAY], ids=lambda personality: personality.name)
@pytest.mark.parametrize("known", [True, False])
def test_f4_f5_where_the_registry_knows_what_it_has_only_the_rest_is_sent(
    like: Like, monkeypatch: pytest.MonkeyPatch, personality: Personality, known: bool
) -> None:
    profiled(monkeypatch, *(("chunks",) if known else ("stream",)), chunk=MiB)
    registry = like(personality)
    registry.on(PATCH, reset(after=MiB // 2))
    push(registry, known=known)
    assert stored(registry)
    assert registry.kinds("POST session") == ["POST session"]
    assert registry.received("a/b") <= len(DATA) * 1.1


def test_f5_a_wrong_guess_of_what_is_there_cannot_be_committed(like: Like, monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, "stream")
    registry = like(replace(DIST3, status_range=lambda size: f"0-{size - 1000}"))
    registry.on(PATCH, reset(after=MiB))
    push(registry)
    assert stored(registry)
    assert list(registry.blobs["a/b"]) == [BLOB.digest]


@pytest.mark.parametrize("fresh", ["0-0", "0--1", "bytes=0--1", None])
def test_f6_an_empty_session_has_no_byte_however_it_says_so(
    like: Like, monkeypatch: pytest.MonkeyPatch, fresh: str | None
) -> None:
    profiled(monkeypatch, "chunks")
    registry = like(replace(DIST3, fresh_range=fresh, status_range=lambda size: f"0-{size - 1}" if size else fresh))
    registry.on(PATCH, reset(after=0))
    push(registry)
    assert stored(registry)


@pytest.mark.parametrize(
    "claims", [lambda size: f"0-{size + 10 * MiB}", lambda size: "0-5", lambda size: "0-999999999999999999999"]
)
def test_f7_what_a_session_can_not_have_is_not_believed(
    like: Like, monkeypatch: pytest.MonkeyPatch, claims: Callable[[int], str]
) -> None:
    profiled(monkeypatch, "chunks")
    registry = like(replace(DIST3, status_range=claims))
    registry.on(
        PATCH, reset(after=MiB // 2), when=lambda seen: seen.headers.get("content-range", "").startswith("1048576-")
    )
    push(registry)
    assert stored(registry)
    assert len(registry.kinds("POST session")) == 2


def test_f8_amazon_has_the_blob_with_its_last_patch_and_its_range_never_moves(
    like: Like, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiled(monkeypatch, "chunks")
    registry = like(ECR)
    push(registry)
    assert stored(registry)
    assert registry.received("a/b") == len(DATA)


@pytest.mark.parametrize("shape", ["stream", "chunks"])
def test_f8_a_blob_that_is_there_with_its_last_patch_is_not_committed(
    like: Like, monkeypatch: pytest.MonkeyPatch, shape: Shape
) -> None:
    """tart #159: the empty PUT is answered with 500."""
    profiled(monkeypatch, shape, chunk=4 * MiB)
    registry = like(ECR)
    registry.on(PATCH, late(201), when=lambda _: bool(registry.add_blob("a/b", DATA)))
    push(registry)
    assert registry.kinds(PATCH, SENT) == [PATCH]


def test_a_chunk_that_is_refused_for_its_place_goes_where_the_session_says(
    like: Like, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiled(monkeypatch, "chunks")
    registry = like(DIST3)
    registry.on(PATCH, answer(416, personalities.error("BLOB_UPLOAD_INVALID")))
    push(registry)
    assert stored(registry)
    assert registry.kinds("POST session", "GET session") == ["POST session", "GET session"]


def test_a_blob_that_is_there_when_its_digest_becomes_known_is_not_sent(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiled(monkeypatch, "put")
    registry.add_blob("a/b", DATA)
    push(registry, known=False)
    assert registry.kinds(SENT) == []
    assert not registry.sessions


# F9 - F12: commits


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_f9_a_commit_that_was_done_though_it_failed_is_found(registry: FakeRegistry, status: int) -> None:
    registry.on(SENT, late(status))
    push(registry)
    assert stored(registry)
    assert registry.kinds(SENT) == [SENT]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_f10_a_commit_that_failed_is_made_once_more(registry: FakeRegistry, status: int) -> None:
    registry.on(SENT, answer(status))
    push(registry)
    assert stored(registry)
    assert registry.kinds(SENT) == [SENT, SENT]
    assert not registry.sessions


@pytest.mark.parametrize("known", [True, False])
def test_f11_a_commit_whose_answer_was_lost_is_found(registry: FakeRegistry, known: bool) -> None:
    registry.on(SENT, faults.Fault("lost"))
    push(registry, known=known)
    assert stored(registry)
    assert registry.kinds(SENT) == [SENT]


def test_f11_a_commit_that_goes_on_after_its_answer_was_lost_is_looked_for_again(registry: FakeRegistry) -> None:
    registry.on(SENT, faults.Fault("lost"))
    registry.on("HEAD blob", answer(404, times=2))
    push(registry)
    assert registry.kinds(SENT, "HEAD blob") == [SENT, *["HEAD blob"] * 3]


def test_f12_the_wait_for_a_commit_grows_with_the_blob() -> None:
    assert commit_timeout(None, Limits()) == commit_timeout(0, Limits()) == 300
    assert commit_timeout(1024 * MiB, Limits()) == 300 + 64
    assert commit_timeout(40 * 1024 * MiB, Limits()) == 300 + 40 * 64
    assert commit_timeout(10**15, Limits()) == 3600


@pytest.mark.parametrize(
    ("shape", "known", "patient"),
    [
        ("put", True, {SENT: len(DATA)}),
        ("put", False, {SENT: len(DATA)}),
        ("stream", True, {PATCH: len(DATA), SENT: len(DATA)}),
        ("stream", False, {PATCH: 0, SENT: len(DATA)}),
        ("chunks", True, {PATCH: 2 * MiB, SENT: len(DATA)}),
    ],
)
def test_f12_an_upload_waits_for_its_commit_as_long_as_the_blob_is_large(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, shape: Shape, known: bool, patient: dict[str, int]
) -> None:
    """And for what may be one: the answer to a body. All else has the usual minute."""
    profiled(monkeypatch, shape, chunk=2 * MiB)
    waited: list[float | None] = []

    def watch(limits: Limits, cancellation: Cancellation, *, answer: float | None = None) -> Deadlines:
        waited.append(answer)
        return Deadlines(limits, cancellation, answer=answer)

    monkeypatch.setattr("cogpack.http.client.Deadlines", watch)
    push(registry, known=known)
    first = {seen.kind: seconds for seen, seconds in reversed(list(zip(registry.seen, waited, strict=True)))}
    assert first == dict.fromkeys(first) | {kind: commit_timeout(size, Limits()) for kind, size in patient.items()}
    assert stored(registry)


@pytest.mark.parametrize("known", [True, False])
def test_f12_a_registry_that_takes_long_to_finish_is_told_of(known: bool) -> None:
    told = threading.Event()

    class Notes:
        def task(self, name: str, size: int | None, verb: str = "") -> Task:
            raise AssertionError

        def note(self, note: Note) -> None:
            assert "/a/b: all is sent; the registry is finishing" in note.text
            told.set()

        def summary(self, text: str) -> None:
            raise AssertionError

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            assert told.wait(30), "nobody was told"
        return {"POST": 202, "PATCH": 202}.get(request.method, 201), {"Location": "/v2/a/b/blobs/uploads/1"}, b""

    with serving(script) as server, RealHttp(progress=Notes(), limits=Limits(told=0.05)) as http:
        there = Repository(http, Reference.parse(f"{server.address}/a/b"), Credentials([]), actions=("pull", "push"))
        there.upload(Body(), descriptor=BLOB if known else None, finished=lambda: BLOB.digest)


# F13 - F16: tokens (the handshake itself: test_auth)


@pytest.mark.parametrize(("life", "took"), [(300, 290), (60, 35)])
@pytest.mark.parametrize("known", [True, False])
def test_f13_a_token_that_ends_soon_after_a_session_is_opened_is_replaced_before_the_body(
    like: Like, tmp_path: Path, life: int, took: int, known: bool
) -> None:
    """Of a minute's life half must be left: the next request, the commit, comes after the body."""
    registry = like(DIST28, auth="token")
    registry.life = life
    registry.clock = lambda: NOW[0]
    registry.locate = lambda path: (NOW.__setitem__(0, NOW[0] + took), path)[1]  # the POST's answer takes that long
    body = push(registry, known=known, tmp_path=tmp_path)
    assert stored(registry)
    assert body.passes == 1
    sent = [seen.headers["authorization"] for seen in registry.seen if seen.kind in (PATCH, SENT)]
    opened = [seen.headers for seen in registry.seen if seen.kind == "POST session"][-1]["authorization"]
    assert opened not in sent
    assert len(set(sent)) == len(sent) == (1 if known else 2)


def test_f13_a_body_that_had_to_wait_starts_with_a_token_of_after_the_wait(like: Like, tmp_path: Path) -> None:
    registry = like(DIST28, auth="token")
    registry.life, registry.clock = 100, lambda: NOW[0]
    body = Body()
    with Http() as http:
        there = repository(http, registry, tmp_path)
        assert not there.has_blob(BLOB)  # there is a token
        opened = there.mount_or_open(BLOB.digest, "c/d")
        assert opened
        registry.on("GET manifest", answer(503, Retry_After="250"))  # to another worker
        url = f"http://{registry.address}/v2/a/b/manifests/x"
        assert http.request("GET", url, origin=url, tries="once").status == 503
        began = NOW[0]
        there.upload(body, descriptor=BLOB, finished=lambda: BLOB.digest, opened=opened)
    assert NOW[0] == began + 250
    assert stored(registry)
    assert body.passes == len(registry.kinds(SENT)) == 1


def test_f15_a_token_for_pulling_is_exchanged_for_one_that_may_push(like: Like, tmp_path: Path) -> None:
    registry = like(DIST28, auth="token")
    with Http() as http:
        there = Repository(
            http,
            Reference.parse(f"{registry.address}/a/b"),
            Credentials.from_environment({"HOME": "/nonexistent"}),
        )
        assert not there.has_blob(BLOB)
        there.upload(Body(), descriptor=BLOB, finished=lambda: BLOB.digest)
    assert stored(registry)
    assert len(registry.kinds("GET token")) == 2


@pytest.mark.parametrize("login", [True, False])
def test_f16_an_endless_401_ends_after_two_bodies_and_says_who_refused(like: Like, tmp_path: Path, login: bool) -> None:
    registry = like(DIST28, auth="basic" if login else "")
    registry.on(SENT, answer(401, WWW_Authenticate='Basic realm="x"', times=9))
    with pytest.raises(DeniedError) as denied:
        push(registry, tmp_path=tmp_path)
    refused = f"{registry.address} refused the right to push to a/b"
    source = tmp_path / "config.json"
    assert denied.value.message == (
        f"{refused} with the password of user from {source} (auths: {registry.address}) (HTTP 401)"
        if login
        else f"{refused} without credentials (it offers basic)"
    )
    assert denied.value.next_step == f"cogpack login {registry.address}"
    assert registry.kinds(SENT) == [SENT]


def test_f16_fresh_tokens_that_are_refused_for_ever_end_after_two_bodies_too(like: Like, tmp_path: Path) -> None:
    registry = like(DIST28, auth="token")
    registry.on(SENT, answer(401, WWW_Authenticate=_challenge(registry), times=99))
    with pytest.raises(DeniedError, match=r"refused the right to push to a/b with the password of user from .*config"):
        push(registry, tmp_path=tmp_path)
    assert registry.kinds(SENT) == [SENT, SENT]
    assert len(registry.kinds("GET token")) <= 3


# F17, and good answers as early


@pytest.mark.slow
@pytest.mark.parametrize("then", ["drain", "close", "stall"])
@pytest.mark.parametrize("known", [True, False])
def test_f17_an_early_401_costs_part_of_one_body_whatever_the_registry_does_then(
    like: Like, tmp_path: Path, then: str, known: bool
) -> None:
    registry = like(DIST28, auth="token")
    large = Body(bytes(48 * MiB))
    about = Descriptor(media_type=BLOB.media_type, digest=sha256(large.data), size=len(large.data))
    registry.on(SENT if known else PATCH, answer(401, then=then, after=1, WWW_Authenticate=_challenge(registry)))
    with Http() as http:
        repository(http, registry, tmp_path).upload(
            large, descriptor=about if known else None, finished=lambda: about.digest
        )
    assert registry.blobs["a/b"] == {about.digest: large.data}
    assert (large.passes, large.drained) == (2, 1)


def _challenge(registry: FakeRegistry) -> str:
    return f'Bearer realm="http://{registry.address}/token",service="fake",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize("then", ["drain", "close", "stall"])
def test_f17_an_early_413_ends_each_shape_and_is_the_error(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    profiled(monkeypatch, "put", "stream")
    for kind in (SENT, PATCH):
        registry.on(kind, answer(413, b"<html>", after=1, then=then, times=9))
    with pytest.raises(InputError, match="too large for the registry"):
        push(registry)
    assert registry.kinds(SENT, PATCH) == [SENT, PATCH]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["put", "stream", "chunks"])
@pytest.mark.parametrize("known", [True, False])
def test_a_good_answer_to_a_part_of_a_body_is_not_believed(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, shape: Shape, known: bool
) -> None:
    profiled(monkeypatch, shape, chunk=64 * MiB)
    large = Body(bytes(48 * MiB))
    about = Descriptor(media_type=BLOB.media_type, digest=sha256(large.data), size=len(large.data))
    registry.on(SENT if shape == "put" else PATCH, answer(202 if shape != "put" else 201, after=1, then="close"))
    with Http() as http:
        repository(http, registry).upload(large, descriptor=about if known else None, finished=lambda: about.digest)
    assert registry.blobs["a/b"] == {about.digest: large.data}


def test_a_registry_that_says_of_a_body_that_it_has_it_already_is_asked_and_believed(registry: FakeRegistry) -> None:
    large = Body(bytes(48 * MiB))
    about = Descriptor(media_type=BLOB.media_type, digest=sha256(large.data), size=len(large.data))
    registry.on(SENT, answer(201, after=1, then="close"))
    with Http() as http:
        there = repository(http, registry)
        registry.locate = lambda path: (registry.add_blob("a/b", large.data), path)[1]  # another push brought it
        there.upload(large, descriptor=about, finished=lambda: about.digest)
    assert (large.passes, large.drained) == (1, 0)


# Down in the middle


@pytest.mark.parametrize("seconds", [60, 500])
def test_a_registry_that_is_away_for_minutes_in_the_middle_is_waited_for(registry: FakeRegistry, seconds: int) -> None:
    with _away(registry, seconds) as http:
        repository(http, registry).upload(Body(), descriptor=BLOB, finished=lambda: BLOB.digest)
    assert stored(registry)


def test_a_registry_that_stays_away_is_given_up_after_ten_minutes(registry: FakeRegistry) -> None:
    began = NOW[0]
    with _away(registry, 10**6) as http, pytest.raises(UnavailableError, match="no address"):
        repository(http, registry).upload(Body(), descriptor=BLOB, finished=lambda: BLOB.digest)
    assert 500 < NOW[0] - began <= 601


def test_a_front_that_says_for_minutes_that_the_registry_is_away_is_heard_out(registry: FakeRegistry) -> None:
    registry.on(SENT, answer(502))
    registry.on("HEAD blob", answer(502, times=12))
    push(registry)
    assert stored(registry)


def _away(registry: FakeRegistry, seconds: float) -> RealHttp:
    """A way to `registry` that ends in the first PUT, for so long."""
    back = [0.0]

    def resolve(name: str, port: int) -> list[str]:
        if NOW[0] < back[0]:
            raise OSError("no route")
        return ["127.0.0.1"]

    registry.on(SENT, reset(after=MiB), when=lambda seen: bool(back.__setitem__(0, NOW[0] + seconds) or True))
    return RealHttp(clock=lambda: NOW[0], resolver=resolve, backoff=lambda attempt: min(30.0, 2.0**attempt))


# F18 - F23: limits, shapes, places


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("7", 7.0),
        ("99999", 300.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 90.0),
        ("Wed, 21 Oct 2015 08:28:00 GMT", 300.0),
        ("Tue, 20 Oct 2015 07:28:00 GMT", 0.0),
        (None, 0.0),
    ],
)
def test_f18_a_busy_registry_is_given_the_time_it_asks_for(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, waits: list[float], said: str | None, waited: float
) -> None:
    now = datetime(2015, 10, 21, 7, 26, 30, tzinfo=UTC).timestamp()
    monkeypatch.setattr("cogpack.http.retries.time", SimpleNamespace(time=lambda: now))
    registry.on(SENT, answer(429, **({"Retry_After": said} if said else {})))
    push(registry)
    assert stored(registry)
    assert sum(waits) == pytest.approx(waited, abs=2)  # once, not by the gate and again by the upload


def test_f19_a_body_limit_on_the_way_leads_to_chunks_below_it_and_is_remembered(
    like: Like, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = like(NGINX)
    profiled(monkeypatch, "put", "stream", "chunks", chunk=4 * MiB)
    with Http() as http:
        there = repository(http, registry)
        there.upload(Body(), descriptor=BLOB, finished=lambda: BLOB.digest)
        assert stored(registry)
        before = len(registry.seen)
        other = DATA[:-1]
        about = Descriptor(media_type=BLOB.media_type, digest=sha256(other), size=len(other))
        there.upload(Body(other), descriptor=about, finished=lambda: about.digest)
    assert all(seen.status < 400 for seen in registry.seen[before:])
    assert "PUT session" in registry.kinds()


def test_f19_many_uploads_that_are_refused_one_size_at_once_learn_one_thing() -> None:
    from cogpack.registry.push.shapes import Shapes

    shapes = Shapes(Profile(name="", hosts="", shapes=("chunks",), chunk=64 * MiB, source="this test"))
    for _ in range(8):
        assert shapes.refused("chunks", chunk=64 * MiB)
    assert shapes.chunk(500 * MiB) == 16 * MiB


def test_f19_what_a_proxy_refuses_is_believed_before_what_the_registry_promises(like: Like) -> None:
    registry = like(replace(NGINX, maximum=2 * MiB))
    push(registry)
    assert stored(registry)
    assert len(registry.kinds("POST session")) == 2


def test_f20_a_registry_that_takes_no_chunks_gets_one_put(like: Like, monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, "chunks", "put", chunk=8 * MiB)
    registry = like(replace(GHCR, largest_ranged=(MiB, 416, b"request body is too large, limit is 1.00MiB")))
    push(registry)
    assert stored(registry)
    assert registry.kinds(PATCH, SENT) == [PATCH, SENT]


def test_f20_a_registry_that_refuses_content_range_gets_one_put(like: Like, monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, "chunks", "put")
    registry = like(GAR)
    push(registry)
    assert stored(registry)


@pytest.mark.parametrize("said", ["5242880", "10737418240", "garbage", "-5", "9" * 40])
def test_f21_the_least_chunk_is_kept_to_within_reason(like: Like, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    profiled(monkeypatch, "chunks", chunk=MiB)
    registry = like(DIST3)
    monkeypatch.setattr(
        "cogpack.registry.push.requests.as_answer",
        _with_header("oci-chunk-min-length", said),
    )
    push(registry)
    assert stored(registry)
    sizes = [seen.size for seen in registry.seen if seen.kind == PATCH]
    assert len(sizes) == (1 if said in ("5242880", "10737418240") else 4)


def _with_header(name: str, value: str) -> Callable[..., object]:
    from cogpack.registry.push.requests import as_answer

    def changed(requests: object, method: str, response: object, **more: bool) -> object:
        import msgspec

        found = as_answer(requests, method, response, **more)  # type: ignore[arg-type]
        return msgspec.structs.replace(found, headers={**found.headers, name: value})

    return changed


def test_f22_chunks_are_of_one_size_below_what_the_registry_allows(like: Like) -> None:
    registry = like(replace(CLOUDFLARE, maximum=MiB + 5, minimum=MiB // 2))
    push(registry)
    assert stored(registry)
    sizes = [seen.size for seen in registry.seen if seen.kind == PATCH]
    assert sizes == [MiB, MiB, MiB, 123]
    assert all("content-length" in seen.headers for seen in registry.seen if seen.kind == PATCH)


@pytest.mark.parametrize(("stated", "chunk"), [(1_000_000, 1_000_000), (300_000, 300_000), (1, 64 * 1024)])
def test_f22_a_maximum_below_one_mib_is_kept_to(like: Like, stated: int, chunk: int) -> None:
    registry = like(replace(CLOUDFLARE, maximum=stated, minimum=None))
    push(registry)
    assert stored(registry)
    sizes = [seen.size for seen in registry.seen if seen.kind == PATCH]
    assert set(sizes[:-1]) == {chunk}
    assert sum(sizes) == BLOB.size


def test_f22_a_hundred_megabytes_allowed_give_chunks_of_95_mib() -> None:
    from cogpack.registry.push.shapes import Shapes

    shapes = Shapes(profiles.ANY)
    shapes.learn({"oci-chunk-max-length": "100000000", "oci-chunk-min-length": "5242880"})
    assert shapes.choose(known=True) == "chunks"
    assert shapes.chunk(500 * MiB) == 95 * MiB
    more = Shapes(profiles.ANY)
    more.learn({"oci-chunk-max-length": "500000000"})
    assert more.chunk(500 * MiB) == 95 * MiB
    assert more.chunk(10_000 * 200 * MiB) == 200 * MiB  # object stores count to 10,000 chunks


@pytest.mark.parametrize(
    "locate",
    [
        lambda registry, path: path,
        lambda registry, path: f"//{registry.address}{path}",
        lambda registry, path: f"http://{registry.address}{path}&blank=&twice=1&twice=2&escaped=a%2Fb%20c",
        lambda registry, path: path.rpartition("/")[2],
    ],
    ids=["path", "host", "absolute with parameters", "relative"],
)
def test_f23_a_session_is_found_wherever_its_location_puts_it(
    registry: FakeRegistry, locate: Callable[[FakeRegistry, str], str]
) -> None:
    registry.locate = lambda path: locate(registry, path)
    push(registry)
    assert stored(registry)
    (put,) = (seen for seen in registry.seen if seen.kind == SENT)
    if "blank" in registry.locate("/x?_state=0"):
        assert "&blank=&twice=1&twice=2&escaped=a%2Fb%20c&digest=" in put.query


def test_f23_a_session_without_a_place_is_an_error_that_says_so(registry: FakeRegistry) -> None:
    registry.on("POST session", answer(202))
    with pytest.raises(UnavailableError, match="without saying where"):
        push(registry)


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("known", [True, False])
def test_a_body_that_is_sent_on_is_sent_again_from_its_first_byte_and_without_our_name(
    like: Like, tmp_path: Path, status: int, known: bool
) -> None:
    here, there = like(DIST28, auth="basic"), like(DIST28)
    there.sessions["s1"] = fake_endpoints.Session("a/b")
    place = f"http://{there.address}/v2/a/b/blobs/uploads/s1?_state=0"
    if known:
        place += f"&digest={BLOB.digest}"
    here.on(SENT if known else PATCH, answer(status, Location=place))
    push(here, known=known, tmp_path=tmp_path)
    assert stored(there)
    assert all("authorization" not in seen.headers for seen in there.seen)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_body_that_would_become_a_get_elsewhere_is_refused(registry: FakeRegistry, status: int) -> None:
    registry.on(SENT, answer(status, Location=f"http://{registry.address}/elsewhere", times=9))
    with pytest.raises(InputError, match=str(status)):
        push(registry)
    assert "GET elsewhere" not in registry.kinds()


def test_f25_the_newest_location_is_used(like: Like, monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(monkeypatch, "chunks")
    registry = like(replace(DIST28, stale_location=404))
    push(registry)
    assert stored(registry)
    states = [seen.query.partition("&")[0] for seen in registry.seen if seen.kind in (PATCH, SENT)]
    assert states == [f"_state={number}" for number in range(5)]


# F26 - F29: mounts, wrong bytes, changed sources


@pytest.mark.parametrize("status", [201, 202, 400, 401, 405, 500])
def test_f26_a_mount_may_fail_in_any_way_and_its_session_is_used(
    registry: FakeRegistry, like: Like, status: int
) -> None:
    registry.add_blob("c/d" if status == 201 else "elsewhere", DATA)
    if status >= 400:
        registry.on("POST session", answer(status, times=4 if status == 500 else 1))
    with Http() as http:
        there = repository(http, registry)
        opened = there.mount_or_open(BLOB.digest, "c/d")
        assert (opened is None) == (status == 201)
        if opened is not None:
            there.upload(Body(), descriptor=BLOB, finished=lambda: BLOB.digest, opened=opened)
    assert stored(registry)
    if status == 202:
        assert registry.kinds("POST session") == ["POST session"]


def test_f26_a_mount_that_opens_a_session_without_saying_where_is_followed_by_another(registry: FakeRegistry) -> None:
    registry.on("POST session", answer(202))
    with Http() as http:
        there = repository(http, registry)
        opened = there.mount_or_open(BLOB.digest, "c/d")
        there.upload(Body(), descriptor=BLOB, finished=lambda: BLOB.digest, opened=opened)
    assert stored(registry)


def test_f26_a_project_that_is_not_there_does_not_stop_a_push(like: Like) -> None:
    registry = like(HARBOR)
    with Http() as http:
        there = repository(http, registry)
        there.upload(
            Body(), descriptor=BLOB, finished=lambda: BLOB.digest, opened=there.mount_or_open(BLOB.digest, "no/such")
        )
    assert stored(registry)


def test_f27_another_digest_than_ours_is_an_error_another_algorithm_is_not(registry: FakeRegistry) -> None:
    registry.on(SENT, faults.Fault("late", status=201, headers={"Docker-Content-Digest": "sha256:" + "0" * 64}))
    with pytest.raises(MismatchError, match="stored sha256:000"):
        push(registry)
    registry.on(SENT, faults.Fault("late", status=201, headers={"Docker-Content-Digest": "sha512:" + "0" * 128}))
    push(registry)


def test_f28_bytes_damaged_on_the_way_are_sent_once_more_then_given_up(registry: FakeRegistry) -> None:
    registry.on(SENT, answer(400, personalities.error("DIGEST_INVALID")))
    assert push(registry).passes == 2
    assert stored(registry)
    registry.blobs.clear()
    registry.on(SENT, answer(400, personalities.error("DIGEST_INVALID"), times=9))
    with pytest.raises(MismatchError, match="twice"):
        push(registry)


@pytest.mark.parametrize("known", [True, False])
def test_f28_a_source_that_changed_between_the_two_is_an_error_and_no_blob(registry: FakeRegistry, known: bool) -> None:
    """The registry compares; a source that looks for itself is F29's."""

    class Changing(Body):
        def __iter__(self) -> Iterator[bytes]:
            for number, block in enumerate(super().__iter__()):
                yield bytes(len(block)) if self.passes > 1 and number == 3 else block

    registry.on(SENT, answer(400, personalities.error("DIGEST_INVALID")))
    with pytest.raises(MismatchError, match="twice"):
        push(registry, Changing(), known=known)
    assert not registry.blobs.get("a/b")


@pytest.mark.parametrize("known", [True, False])
def test_f29_a_source_that_ends_early_commits_nothing(registry: FakeRegistry, known: bool) -> None:
    class Changed(Body):
        def __iter__(self) -> Iterator[bytes]:
            yield from list(super().__iter__())[:5]
            raise MismatchError("model.bin: changed while it was read", next_step="run it again")

    with pytest.raises(MismatchError, match=r"model\.bin"):
        push(registry, Changed(), known=known)
    assert not registry.blobs.get("a/b")
    assert registry.kinds(SENT) in ([], [SENT])


@pytest.mark.parametrize("shape", ["put", "stream", "chunks"])
@pytest.mark.parametrize("known", [True, False])
def test_bytes_that_come_from_a_server_whose_line_breaks_are_read_anew(
    like: Like, monkeypatch: pytest.MonkeyPatch, shape: Shape, known: bool
) -> None:
    class Breaking(Body):
        def __iter__(self) -> Iterator[bytes]:
            for number, block in enumerate(super().__iter__()):
                if self.passes == broken and number == 20:
                    raise UnavailableError("the base's registry: it hung up", next_step="run it again")
                yield block

    profiled(monkeypatch, shape)
    registry = like(DIST3)
    broken = 1 if known or shape == "stream" else 2  # the first is for the digest
    push(registry, Breaking(), known=known)
    assert stored(registry)


# F38, F40, F41


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, personalities.error("NAME_UNKNOWN", "repository not found"), InputError, "has no repository"),
        (404, personalities.error("NOT_FOUND", "project a not found"), InputError, "has no repository"),  # Harbor
        (403, personalities.error("DENIED", "no"), DeniedError, "right to push"),
        (401, personalities.error("UNAUTHORIZED"), DeniedError, "refused|no right|credentials"),
    ],
)
def test_f38_a_missing_repository_or_right_is_one_line_and_no_retry(
    registry: FakeRegistry, status: int, body: bytes, kind: type[CogpackError], words: str
) -> None:
    registry.on("POST session", answer(status, body, times=9))
    with pytest.raises(kind, match=words) as refused:
        push(registry)
    assert "\n" not in refused.value.message
    assert registry.kinds("POST session") == ["POST session"]


@pytest.mark.parametrize("size", [0, 1, MiB, 2 * MiB, 2 * MiB + 1])
@pytest.mark.parametrize("shape", ["put", "stream", "chunks"])
@pytest.mark.parametrize("personality", [DIST28, DIST3, ZOT, QUAY, GITEA, ACR], ids=lambda it: it.name)
def test_f40_every_size_arrives_in_every_shape(
    like: Like, monkeypatch: pytest.MonkeyPatch, personality: Personality, shape: Shape, size: int
) -> None:
    profiled(monkeypatch, shape)
    registry = like(personality)
    data = DATA[:size]
    about = Descriptor(media_type=BLOB.media_type, digest=sha256(data), size=size)
    for known in (True, False):
        body = Body(data)
        with Http() as http:
            repository(http, registry).upload(body, descriptor=about if known else None, finished=lambda: about.digest)
        assert registry.blobs["a/b"].pop(about.digest) == data
        assert body.drained >= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "hex_"),
    [  # of zeros: `head -c SIZE /dev/zero | sha256sum`
        (2**31 + 1, "b8030a8ab89280935633d8d991da3d9907c0f12e8b6fc3bfc515f4d440872b6e"),
        (2**32 + 1, "fbb82f7b353676bb562eb82157fcf0ea42c36492ca13ee56dbf82c08b6802c5c"),
    ],
)
def test_f40_sizes_beyond_32_bits_are_counted_right(size: int, hex_: str) -> None:
    with FakeRegistry(DIST28, keep=False).running() as registry:
        block = bytes(MiB)

        class Zeros:
            def __iter__(self) -> Iterator[bytes]:
                for _ in range(size // MiB):
                    yield block
                yield bytes(size % MiB)

        digest = Digest(f"sha256:{hex_}")
        about = Descriptor(media_type=BLOB.media_type, digest=digest, size=size)
        with Http() as http:
            repository(http, registry).upload(Zeros(), descriptor=about, finished=lambda: digest)
        assert registry.sizes[digest] == size


def test_f41_two_pushes_of_one_blob_at_once_both_end(registry: FakeRegistry) -> None:
    failures: list[CogpackError] = []

    def one() -> None:
        try:
            push(registry)
        except CogpackError as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert stored(registry)


@pytest.mark.parametrize(("known", "manners"), [(True, DIST28), (False, DIST28), (False, DIST3)])
def test_progress_shows_where_in_the_blob_we_are_and_is_told_of_all_that_goes_out(
    like: Like, known: bool, manners: Personality
) -> None:
    registry = like(manners)
    registry.on(SENT if known else PATCH, reset(after=MiB))
    told: list[int] = []
    push(registry, known=known, on_bytes=told.append)
    shown = list(accumulate(told))
    assert max(shown) == shown[-1] == len(DATA)
    assert min(shown) >= 0
    again = 0 if manners is DIST3 else MiB  # distribution 3 keeps what came
    assert len(DATA) + again <= sum(size for size in told if size > 0) <= 2 * len(DATA)
