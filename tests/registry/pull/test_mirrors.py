"""P25: what has a digest may come from a mirror, whatever the mirror does comes right, and secrets stay where they are.

One registry has the image and wants a login; another one stands in for it.
"""

import base64
import gzip
import io
import json
import random
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from resolve.test_base_image import Images, good, layer
from support.counted import KiB, MiB
from support.fake_registry import FakeRegistry
from support.faults import Fault, answer

from cogpack.commands.pull import pull
from cogpack.commands.pull_weights import pull_weights
from cogpack.digest import sha256
from cogpack.errors import InputError, UnavailableError
from cogpack.images.image import PLATFORM
from cogpack.images.interface import trying
from cogpack.notes import Note
from cogpack.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from cogpack.opening import open_image
from cogpack.progress import SILENT, Task
from cogpack.reference import Reference
from cogpack.registry.pull.mirrors import Mirrors
from cogpack.registry.pull.tuning import Tuning
from cogpack.resolve.base_image import resolve_base_image
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

WEIGHTS = random.Random(1).randbytes(2 * MiB)


def _layer() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo("src/w.bin")
        info.size = len(WEIGHTS)
        tar.addfile(info, io.BytesIO(WEIGHTS))
    return stream.getvalue()


LAYER = _layer()
CONFIG = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(LAYER)]}}
).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": OCI_LAYER, "digest": sha256(LAYER), "size": len(LAYER)}],
    }
).encode()


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def task(self, name: str, size: int | None, verb: str = "") -> Task:
        return SILENT.task(name, size)

    def note(self, note: Note) -> None:
        self.notes.append(note.text)

    def summary(self, text: str) -> None:
        pass


def put(registry: FakeRegistry, name: str, *, tag: str | None = None) -> None:
    for blob in (CONFIG, LAYER):
        registry.add_blob(name, blob)
    registry.add_manifest(name, MANIFEST, OCI_MANIFEST, tag)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before trying again."""
    monkeypatch.setattr("cogpack.http.client.retry_after", lambda _: 0.0)


@pytest.fixture
def origin() -> Iterator[FakeRegistry]:
    with FakeRegistry(auth="basic").running() as found:
        put(found, "a/b", tag="v1")
        yield found


@pytest.fixture
def mirror() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        put(found, "a/b")
        yield found


class Pulls:
    """Commands with a mirror; the login is for the origin alone unless told otherwise."""

    def __init__(self, root: Path, origin: FakeRegistry, mirror: FakeRegistry) -> None:
        self.root = root
        self.name = f"{origin.address}/a/b"
        self.by_digest = f"{self.name}@{sha256(MANIFEST)}"
        self.progress = Notes()
        self.mirrors = f"{origin.address}={mirror.address}"
        self.logins = {origin.address: "user:open sesame"}

    @property
    def session(self) -> Session:
        auths = {host: {"auth": base64.b64encode(login.encode()).decode()} for host, login in self.logins.items()}
        environment = {
            "HOME": "/nonexistent",
            "DOCKER_AUTH_CONFIG": json.dumps({"auths": auths}),
            "COGPACK_REGISTRY_MIRROR": self.mirrors,
        }
        settings = Settings(cache=self.root / "cache", jobs=4, environment=environment)
        return Session(settings, self.progress, tuning=Tuning(ranged=MiB))  # a blob of 2 MiB comes in ranges

    def __call__(self, reference: str = "") -> None:
        """The layout is whole, or this fails."""
        with self.session as session:
            pull(session, reference or self.by_digest, self.root / "out")
        for data in (MANIFEST, CONFIG, LAYER):
            assert (self.root / "out/blobs/sha256" / sha256(data)[7:]).read_bytes() == data

    def weights(self) -> bytes:
        with self.session as session:
            pull_weights(session, self.by_digest, self.root / "weights")
        return (self.root / "weights/w.bin").read_bytes()


@pytest.fixture
def pulls(tmp_path: Path, origin: FakeRegistry, mirror: FakeRegistry) -> Iterator[Pulls]:
    yield Pulls(tmp_path, origin, mirror)
    assert not any("dXNlcjpvcGVuIHNlc2FtZQ==" in str(seen.headers) for seen in mirror.seen), "the origin's login"
    assert {seen.method for seen in mirror.seen} <= {"GET"}


def test_all_that_has_a_digest_comes_from_the_mirror(pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry) -> None:
    pulls()
    assert origin.seen == []
    assert {seen.query for seen in mirror.seen} == {f"ns={origin.address.replace(':', '%3A')}"}
    assert pulls.progress.notes == []


def test_a_tag_is_looked_up_at_the_registry_itself(pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry) -> None:
    put(mirror, "a/b", tag="v1")
    pulls(f"{pulls.name}:v1")
    assert set(origin.kinds()) - {"GET ping"} == {"GET manifest"}
    assert set(mirror.kinds()) == {"GET blob"}


def test_where_the_registry_is_away_a_tag_is_told_to_be_none_of_a_mirrors(pulls: Pulls) -> None:
    pulls.mirrors = f"127.0.0.1:9={pulls.name.partition('/')[0]}"
    for reference, told in (("127.0.0.1:9/a/b:v1", True), (f"127.0.0.1:9/a/c@{sha256(b'')}", False)):
        with pytest.raises(UnavailableError) as caught:
            pulls(reference)
        assert ("no mirror is asked what a tag means" in caught.value.next_step) is told


def test_a_mirror_may_keep_them_under_a_path(pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry) -> None:
    put(mirror, "proxy/hub/a/b")
    pulls.mirrors += "/proxy/hub/"
    pulls()
    assert origin.seen == []
    assert all(seen.path.startswith("/v2/proxy/hub/a/b/") for seen in mirror.seen)


def test_a_mirror_gets_its_own_login(pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry) -> None:
    mirror.auth = "token"
    pulls.logins[mirror.address] = "other:secret"
    pulls()
    assert origin.seen == []
    tokens = [seen for seen in mirror.seen if seen.kind == "GET token"]
    assert {seen.headers["authorization"] for seen in tokens} == {"Basic b3RoZXI6c2VjcmV0"}
    assert all("repository%3Aa%2Fb%3Apull" in seen.query for seen in tokens)


def test_a_mirror_sends_on_to_its_storage(pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry) -> None:
    """And its ranges are asked for there, as at a registry's."""
    with FakeRegistry().running() as storage:
        put(storage, "s/t")
        mirror.storage = f"http://{storage.address}/v2/s/t/blobs"
        pulls()
        assert origin.seen == []
        assert len([seen for seen in mirror.seen if seen.path.endswith(sha256(LAYER))]) < len(storage.seen)


def every(kind: str, fault: Fault) -> Callable[[FakeRegistry], None]:
    return lambda mirror: mirror.on(kind, fault)


FAULTS = {
    "no manifest": lambda mirror: mirror.manifests.clear(),
    "no blob": lambda mirror: mirror.blobs.clear(),
    "other bytes of a manifest": every("GET manifest", answer(200, b"{}", times=99)),
    "other bytes of blobs": every("GET blob", answer(200, b"x" * len(LAYER), times=99)),
    "other bytes of a layer": lambda mirror: mirror.blobs["a/b"].update({sha256(LAYER): b"x" * len(LAYER)}),
    "401, no challenge": every("GET manifest", answer(401, times=99)),
    "401": lambda mirror: setattr(mirror, "auth", "basic"),
    "no token": lambda mirror: (setattr(mirror, "auth", "token"), mirror.on("GET token", answer(403, times=99))),
    "403": every("GET blob", answer(403, times=99)),
    "429": every("GET manifest", answer(429, Retry_After="60", times=99)),
    "500": every("GET blob", answer(500, times=99)),
    "503": every("GET manifest", answer(503, times=99)),
    "no answer": every("GET blob", Fault("reset", times=99)),
    "short": every("GET blob", Fault("cut", after=10 * KiB, times=99)),
    "too long": every("GET blob", answer(200, b"x" * (len(LAYER) + 1), times=99)),
    "a redirect to nowhere": every("GET blob", answer(307, Location="http://127.0.0.1:1/x", times=99)),
    "a redirect that refuses": every("GET blob", answer(307, Location="/elsewhere", times=99)),
    "a bad redirect": every("GET blob", answer(307, Location="ftp://127.0.0.1/x", times=99)),
    "a coding": every("GET blob", answer(200, LAYER, Content_Encoding="gzip", times=99)),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("what", ["a layout", "weights"])
def test_what_a_mirror_does_wrong_the_registry_does_right(
    pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry, fault: str, what: str
) -> None:
    FAULTS[fault](mirror)
    if what == "weights":
        assert pulls.weights() == WEIGHTS
    else:
        pulls()
    assert origin.seen
    assert len(mirror.seen) <= 2 + 16, "no more than of one that has everything: manifest, config, ranges"


def test_a_mirror_that_is_not_there_is_tried_once_and_told_of(
    pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{nobody.getsockname()[1]}"
        pulls.mirrors = f"{origin.address}={gone}, {origin.address}={mirror.address}"
        pulls()
    assert origin.seen == []
    assert [gone in note and "not asked any more" in note for note in pulls.progress.notes] == [True]


def test_a_mirror_that_broke_once_is_asked_for_the_rest(
    pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry
) -> None:
    mirror.on("GET blob", Fault("cut", after=10 * KiB), when=lambda seen: "range" in seen.headers)
    pulls()
    assert origin.seen == []


def test_wrong_bytes_end_the_trust_in_a_mirror(pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry) -> None:
    mirror.blobs["a/b"][sha256(LAYER)] = bytes([LAYER[0] ^ 1]) + LAYER[1:]
    pulls()
    assert len(pulls.progress.notes) == 1
    assert sha256(LAYER) in pulls.progress.notes[0]
    whole = [seen for seen in origin.seen if seen.path.endswith(sha256(LAYER)) and seen.status == 200]
    assert ["range" in seen.headers for seen in whole] == [False]


def test_a_small_blob_comes_through_too(pulls: Pulls, mirror: FakeRegistry) -> None:
    mirror.blobs["a/b"][sha256(CONFIG)] = b"x" * len(CONFIG)
    with pulls.session as session:
        image = open_image(session, pulls.by_digest)
        assert image.images.blob_bytes(image.manifest.config) == CONFIG


def test_a_base_image_is_looked_at_again_without_the_mirror(
    pulls: Pulls, origin: FakeRegistry, mirror: FakeRegistry
) -> None:
    base = Images(good())
    media_type, data = base.manifests["v1"]
    for registry in (origin, mirror):
        registry.add_manifest("a/b", data, media_type)
        for blob in base.blobs.values():
            registry.add_blob("a/b", blob)
    for digest, blob in base.blobs.items():
        mirror.blobs["a/b"][digest] = blob if blob.startswith(b"{") else gzip.compress(layer({"etc": "other"}))
    reference = Reference.parse(f"{pulls.name}@{sha256(data)}")
    with pulls.session as session:
        images = session.images(reference)
        base = trying(lambda: resolve_base_image(reference, PLATFORM, images, session.progress), images)
    assert base.python == "3.12"
    assert len(pulls.progress.notes) == 1


def test_nothing_is_pushed_to_a_mirror_or_asked_there_about_a_push(pulls: Pulls, mirror: FakeRegistry) -> None:
    with pulls.session as session:
        repository = session.repository(Reference.parse(pulls.name), push=True)
        assert repository.manifest(sha256(MANIFEST)) is not None
        repository.put_manifest(MANIFEST, OCI_MANIFEST, "v2")
    assert mirror.seen == []


@pytest.mark.parametrize(
    ("text", "of", "found"),
    [
        ("docker.io=mirror.example", "python", ["mirror.example/library/python"]),
        ("index.docker.io=mirror.example:5000", "me/x", ["mirror.example:5000/me/x"]),
        ("ghcr.io=m.example/ghcr/", "ghcr.io/me/x", ["m.example/ghcr/me/x"]),
        ("ghcr.io=m.example,ghcr.io=n.example docker.io=o.example", "ghcr.io/x", ["m.example/x", "n.example/x"]),
        ("ghcr.io=m.example", "quay.io/x", []),
        (" , ", "quay.io/x", []),
    ],
)
def test_mirrors_are_written_as_host_and_mirror(text: str, of: str, found: list[str]) -> None:
    assert [str(reference) for reference in Mirrors([text]).of(Reference.parse(of))] == found


@pytest.mark.parametrize(
    "text", ["ghcr.io", "=m.example", "ghcr.io=", "ghcr.io/x=m.example", "ghcr.io=mirror", "ghcr.io=https://m.example",
             "ghcr.io=m.example/UPPER", "ghcr.io=m.example:tag/x", "ghcr.io=m.example/x:1", "ghcr.io=m.io@sha256:00"]
)  # fmt: skip
def test_mirrors_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="registry mirror"):
        Mirrors([text])
