"""`cogpack pull` into layouts and archives: whole or not there, in one go or in several, hostile manifests refused."""

import io
import json
import os
import random
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.counted import KiB, MiB
from support.fake_registry import FakeRegistry
from support.faults import Fault, Seen, answer
from support.personalities import DIST3

from cogpack.commands.inspect import inspect
from cogpack.commands.pull import pull
from cogpack.digest import sha256
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http.retries import ATTEMPTS, retry_after
from cogpack.layout import Layout
from cogpack.oci import DOCKER_INDEX, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from cogpack.opening import open_image
from cogpack.progress import Cancellation
from cogpack.registry.pull.connections import BlobRequests, Fetcher
from cogpack.registry.pull.tuning import Tuning
from cogpack.session import Session, Settings
from cogpack.threads import each

pytestmark = pytest.mark.slow

Document = dict[str, Any]
TUNING = Tuning(ranged=MiB, part=128 * KiB)
LAYERS = [random.Random(number).randbytes(size) for number, size in enumerate([2 * MiB, 100 * KiB, 70, 0])]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.http.client.retry_after", lambda _: 0.0)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(DIST3).running() as found:
        yield found


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"}), tuning=TUNING) as found:
        yield found


def descriptor(data: bytes, media_type: str, **more: Any) -> Document:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)} | more


def put(
    registry: FakeRegistry,
    layers: list[bytes],
    *,
    tag: str | None = "v1",
    architecture: str = "amd64",
    docker: bool = False,
    rootfs: str = '{"type": "layers", "diff_ids": []}',
) -> Document:
    """An image; answers its descriptor in an index."""
    config = json.dumps({"architecture": architecture, "os": "linux", "rootfs": json.loads(rootfs)}).encode()
    for blob in (config, *layers):
        registry.add_blob("a/b", blob)
    kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
    data = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": descriptor(config, OCI_CONFIG),
            "layers": [descriptor(layer, OCI_LAYER) for layer in layers],
        }
    ).encode()
    registry.add_manifest("a/b", data, kind, tag)
    return descriptor(data, kind, platform={"os": "linux", "architecture": architecture})


def put_index(registry: FakeRegistry, *children: Document, docker: bool = False) -> str:
    kind = DOCKER_INDEX if docker else OCI_INDEX
    data = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": list(children)}).encode()
    return registry.add_manifest("a/b", data, kind, "v1")


def blobs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "blobs" / "sha256").iterdir()}


def test_a_layout_has_every_blob_and_the_name(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    root = put(registry, LAYERS)
    pulled = pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")
    assert pulled.reference == f"{registry.address}/a/b@{root['digest']}"
    assert {sha256(data)[7:]: data for data in LAYERS}.items() <= blobs(tmp_path / "out").items()
    assert all(sha256(data)[7:] == name for name, data in blobs(tmp_path / "out").items())
    assert Layout.read(tmp_path / "out").names()[f"{registry.address}/a/b:v1"].digest == root["digest"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"oci-layout", "index.json", "blobs"}
    assert pulled.fetched == sum(blob.size for blob in pulled.blobs)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out" / "blobs" / "sha256").iterdir()}
    assert modes == {0o666 & (tmp_path / "out" / "blobs").stat().st_mode & 0o644}


def test_what_a_layout_has_is_not_fetched_again(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    put(registry, LAYERS[1:], tag="old")
    put(registry, LAYERS)
    pull(session, f"{registry.address}/a/b:old", tmp_path / "out")
    registry.seen.clear()
    pulled = pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")
    assert pulled.fetched == len(LAYERS[0])
    assert pulled.reused == sum(blob.size for blob in pulled.blobs) - len(LAYERS[0])
    assert pull(session, f"{registry.address}/a/b:v1", tmp_path / "out").fetched == 0
    assert set(Layout.read(tmp_path / "out").names()) == {f"{registry.address}/a/b:{tag}" for tag in ("old", "v1")}


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, {"amd64"}),
        ({"platform": "linux/amd64"}, {"amd64"}),
        ({"platform": "linux/arm64"}, {"arm64"}),
        ({"all_platforms": True}, {"amd64", "arm64"}),
    ],
)
def test_of_an_index_one_image_comes_or_all(
    session: Session,
    registry: FakeRegistry,
    tmp_path: Path,
    wanted: dict[str, Any],
    found: set[str],
    *,
    docker: bool,
) -> None:
    """Docker's lists and schema 2 are read like OCI's."""
    children = [
        put(registry, [name.encode()], tag=None, architecture=name, docker=docker) for name in ("amd64", "arm64")
    ]
    index = put_index(registry, *children, docker=docker)
    pulled = pull(session, f"{registry.address}/a/b:v1", tmp_path / "out", **wanted)
    there = set(blobs(tmp_path / "out"))
    assert {name for name in ("amd64", "arm64") if sha256(name.encode())[7:] in there} == found
    assert (index[7:] in there) is ("all_platforms" in wanted)
    assert pulled.digest == (
        index
        if "all_platforms" in wanted
        else next(c["digest"] for c in children if c["platform"]["architecture"] in found)
    )


def test_an_image_of_another_platform_is_not_taken_for_the_one_that_was_asked_for(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    put(registry, LAYERS, architecture="arm64")
    name = f"{registry.address}/a/b:v1"
    with pytest.raises(InputError, match="is for linux/arm64, not linux/amd64"):
        pull(session, name, tmp_path / "out", platform="linux/amd64")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is for linux/arm64, not linux/amd64"):
        inspect(session, name, platform="linux/amd64")
    assert pull(session, name, tmp_path / "out").blobs


@pytest.mark.parametrize("rootfs", ['{"type": "layers", "diff_ids": null}', "null"])
def test_an_image_of_no_layers_whose_config_says_null_is_one(
    session: Session, registry: FakeRegistry, tmp_path: Path, rootfs: str
) -> None:
    """Go writes an empty list that nobody made as `null`."""
    put(registry, [], rootfs=rootfs)
    name = f"{registry.address}/a/b:v1"
    assert inspect(session, name).platform == "linux/amd64"
    assert pull(session, name, tmp_path / "out", platform="linux/amd64").blobs


def test_blobs_that_many_threads_open_come_over_the_connections_of_one_fetcher(
    session: Session, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(registry, LAYERS)
    made: list[BlobRequests] = []
    fetcher = session.fetcher

    def slowly(source: BlobRequests) -> Fetcher:
        made.append(source)
        time.sleep(0.05)
        return fetcher(source)

    monkeypatch.setattr(session, "fetcher", slowly)
    with ExitStack() as connections:
        images = open_image(session, f"{registry.address}/a/b:v1", connections=connections)

        def read(layer: Descriptor) -> bytes:
            with images.images.blob(layer) as blocks:
                return b"".join(blocks)

        layers = list(images.manifest.layers)
        assert each(read, layers, jobs=len(layers), name="t", cancellation=Cancellation()) == LAYERS
    assert len(made) == 1


def test_a_session_that_pulls_again_and_again_keeps_no_thread_of_a_pull(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    put(registry, LAYERS)
    before = set(threading.enumerate())
    for number in range(3):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / f"out-{number}")
    assert not [thread for thread in {*threading.enumerate()} - before if thread.name == "fetch"]


def test_inspect_tells_of_the_index_and_chooses_from_it_as_pull_does(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    children = [put(registry, [name.encode()], tag=None, architecture=name) for name in ("amd64", "arm64")]
    index = put_index(registry, *children)
    pull(session, f"{registry.address}/a/b:v1", tmp_path / "out", all_platforms=True)
    for name in (f"{registry.address}/a/b:v1", f"{tmp_path}/out", f"{tmp_path}/out:{registry.address}/a/b:v1"):
        found = inspect(session, name)
        assert (found.index, found.platforms) == (index, ("linux/amd64", "linux/arm64"))
        assert (found.digest, found.platform) == (children[0]["digest"], "linux/amd64")
        assert inspect(session, name, platform="linux/arm64").digest == children[1]["digest"]
    with pytest.raises(InputError, match=r"no image for linux/s390x; it has linux/amd64, linux/arm64"):
        inspect(session, f"{tmp_path}/out", platform="linux/s390x")
    alone = inspect(session, f"{registry.address}/a/b@{children[1]['digest']}")
    assert (alone.index, alone.platforms, alone.platform) == (None, (), "linux/arm64")


@pytest.mark.parametrize("name", ["out.tgz", "out.tar.gz", "out.tar.zst"])
def test_a_compressed_archive_is_not_written_as_a_directory(
    session: Session, registry: FakeRegistry, tmp_path: Path, name: str
) -> None:
    put(registry, LAYERS)
    with pytest.raises(InputError, match="uncompressed"):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_nothing_comes_in_the_place_of_a_device(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    put(registry, LAYERS)
    (tmp_path / "out.tar").symlink_to("/dev/null")
    with pytest.raises(InputError, match=r"out\.tar: is a pipe or a device"):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / "out.tar")


@pytest.mark.parametrize("name", ["x" * 300 + ".tar", "closed/out.tar"])
def test_an_archive_that_cannot_be_written_is_told_before_anything_is_fetched(
    session: Session, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(registry, LAYERS)
    (tmp_path / "closed").mkdir(mode=0o700)
    tmp_path.chmod(0o777)
    monkeypatch.chdir(tmp_path)
    user = os.geteuid()
    try:
        if user == 0:  # who may look into every directory
            os.seteuid(65534)
        else:
            (tmp_path / "closed").chmod(0)
        with pytest.raises(InputError, match=r"\.tar: can't write: (File name too long|Permission denied)"):
            pull(session, f"{registry.address}/a/b:v1", Path(name))
    finally:
        os.seteuid(user)
        (tmp_path / "closed").chmod(0o700)
    assert not registry.seen


def test_a_tag_that_moves_meanwhile_changes_nothing(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    """P24: we go on with the digest first seen."""
    first = put(registry, LAYERS)

    def moves(_: object) -> bool:
        put(registry, [b"another"])
        return False

    registry.on("GET blob", answer(500), when=moves)
    assert pull(session, f"{registry.address}/a/b:v1", tmp_path / "out").digest == first["digest"]
    assert registry.kinds("GET manifest") == ["GET manifest"]


def test_an_archive_holds_the_layout_and_what_docker_reads(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    root = put(registry, [*LAYERS, LAYERS[0]])
    pull(session, f"{registry.address}/a/b:v1", tmp_path / "image.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]
    with tarfile.open(tmp_path / "image.tar") as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    for name, data in files.items():
        if name.startswith("blobs/sha256/"):
            assert sha256(data)[7:] == name.removeprefix("blobs/sha256/")
    (entry,) = json.loads(files["manifest.json"])
    assert [files[path] for path in entry["Layers"]] == [*LAYERS, LAYERS[0]]
    assert entry["RepoTags"] == [f"{registry.address}/a/b:v1"]
    assert "rootfs" in json.loads(files[entry["Config"]])
    assert json.loads(files["index.json"])["manifests"][0]["digest"] == root["digest"]


def test_an_archive_goes_on_where_it_was_and_is_one_for_any_image(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    """P11, P12: what was left may be of another image, with the same layer in another place."""
    other = [random.Random(9).randbytes(3 * MiB), LAYERS[0]]
    put(registry, other, tag="other")
    put(registry, LAYERS)
    registry.on("GET blob", answer(404), when=lambda seen: registry.kinds().count("GET blob") > 30)
    with pytest.raises(InputError):
        pull(session, f"{registry.address}/a/b:other", tmp_path / "image.tar")
    assert not (tmp_path / "image.tar").exists()
    with Session(session.settings, tuning=TUNING) as again:
        pull(again, f"{registry.address}/a/b:v1", tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as tar:
        for member in tar:
            if member.name.startswith("blobs/"):
                assert sha256(tar.extractfile(member).read())[7:] == member.name[13:]  # type: ignore[union-attr]
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "image.tar").read_bytes())) as tar:
        assert len(tar.getnames()) == 4 + 1 + len(LAYERS)


def test_a_blob_that_is_wrong_twice_is_no_blob_of_the_layout(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    """P4."""
    put(registry, LAYERS[2:], tag="small")
    pull(session, f"{registry.address}/a/b:small", tmp_path / "old")
    put(registry, LAYERS)
    registry.blobs["a/b"][sha256(LAYERS[1])] = bytes(len(LAYERS[1]))
    for place in ("old", "new"):
        with Session(session.settings, tuning=TUNING) as one, pytest.raises(MismatchError, match=sha256(LAYERS[1])):
            pull(one, f"{registry.address}/a/b:v1", tmp_path / place)
    assert sha256(LAYERS[1])[7:] not in blobs(tmp_path / "old")
    assert list(Layout.read(tmp_path / "old").names()) == [f"{registry.address}/a/b:small"]
    assert not (tmp_path / "new").exists()


def manifest(**changes: Any) -> Document:
    layer = descriptor(b"layer", OCI_LAYER)
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(b"{}", OCI_CONFIG),
        "layers": [layer],
    } | changes


def sized(text: str) -> bytes:
    return json.dumps(manifest()).replace('"size": 5', f'"size": {text}').encode()


HOSTILE = {
    "2^62": sized(str(2**62)),
    "2^53 - 1: more than any disk": sized(str(2**53 - 1)),
    "negative": sized("-5"),
    "beyond all numbers": sized("1e400"),
    "a string": sized('"5"'),
    "a million layers": b'{"schemaVersion":2,"config":{},"layers":[' + b"{}," * 999_999 + b"{}]}",
    "too many layers": json.dumps(manifest(layers=[descriptor(b"%d" % n, OCI_LAYER) for n in range(3000)])).encode(),
    "five mebibytes": json.dumps(manifest(annotations={"a": "x" * (5 * MiB)})).encode(),
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep lists": b"[" * 1_000_000,
    "a key twice": json.dumps(manifest()).replace('"layers"', '"layers": [], "layers"').encode(),
    "another type": json.dumps(manifest(mediaType=OCI_INDEX)).encode(),
    "a digest that is a path": json.dumps(manifest()).replace(sha256(b"layer"), "sha256:../../x").encode(),
    "a digest in capitals": json.dumps(manifest()).replace(sha256(b"layer")[7:], sha256(b"layer")[7:].upper()).encode(),
    "sha1": json.dumps(manifest()).replace(sha256(b"layer"), "sha1:" + "a" * 40).encode(),
    "an unknown digest": json.dumps(manifest()).replace(sha256(b"layer"), "blake3:" + "a" * 64).encode(),
    "not JSON": b"<html>",
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a_hostile_manifest_is_refused_before_any_blob_is_asked_for(
    session: Session, registry: FakeRegistry, tmp_path: Path, kind: str
) -> None:
    """P14, P15: and in 64 MiB of memory, whatever it holds."""
    registry.add_manifest("a/b", HOSTILE[kind], OCI_MANIFEST, "v1")
    tracemalloc.start()
    try:
        with pytest.raises(CogpackError) as caught:
            pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 64 * MiB
    assert isinstance(caught.value, InputError | MismatchError)
    assert registry.kinds("GET blob", "HEAD blob") == []
    assert not (tmp_path / "out" / "index.json").exists()


def test_an_index_beneath_index_beneath_index_ends(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    """P14."""
    child = put(registry, LAYERS[2:])
    for _ in range(5):
        data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
        registry.add_manifest("a/b", data, OCI_INDEX, "v1")
        child = descriptor(data, OCI_INDEX, platform={"os": "linux", "architecture": "amd64"})
    for whole in (True, False):
        with pytest.raises(InputError, match=r"levels of indexes|is an index"):
            pull(session, f"{registry.address}/a/b:v1", tmp_path / "out", all_platforms=whole)
    assert registry.kinds("GET blob") == []


def test_a_server_whose_index_refers_to_itself_is_refused(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    """P14: only one that lies about digests can."""
    named = descriptor(b"?" * 300, OCI_INDEX, platform={"os": "linux", "architecture": "amd64"})
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [named]}).encode()
    registry.add_manifest("a/b", data, OCI_INDEX, "v1")
    registry.manifests["a/b"][named["digest"]] = OCI_INDEX, data
    with pytest.raises(MismatchError):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")


def test_an_image_larger_than_the_disk_is_refused_before_it_is_fetched(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    """P13, P14."""
    registry.add_manifest("a/b", sized(str(2**50)), OCI_MANIFEST, "v1")
    for output in ("out", "image.tar"):
        with pytest.raises(InputError, match=r"bytes are needed, and \d+ are free"):
            pull(session, f"{registry.address}/a/b:v1", tmp_path / output)
    assert registry.kinds("GET blob") == []


def test_a_place_that_can_t_be_written_is_one_error(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    """P13: a file where a directory should be; root may write anywhere else."""
    put(registry, LAYERS)
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file" / "out", tmp_path / "file" / "image.tar", tmp_path / "file"):
        with pytest.raises(InputError):
            pull(session, f"{registry.address}/a/b:v1", output)
    assert registry.kinds("GET blob") == []


def test_too_many_requests_are_waited_for_and_then_named_with_the_cure(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P26."""
    now, asked, meet = [1000.0], [], registry.meet

    def wait(_: Cancellation, seconds: float) -> None:
        now[0] += seconds

    def met(seen: Seen) -> Fault | None:
        if seen.kind == "GET manifest":
            asked.append(now[0])
        return meet(seen)

    monkeypatch.setattr(registry, "meet", met)
    monkeypatch.setattr("cogpack.http.client.retry_after", retry_after)
    monkeypatch.setattr("cogpack.progress.Cancellation.wait", wait)
    put(registry, LAYERS)
    settings = Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})
    with Session(settings, clock=lambda: now[0], tuning=TUNING) as session:
        busy = answer(429, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}', times=2, Retry_After="7")
        registry.on("GET manifest", busy)
        assert pull(session, f"{registry.address}/a/b:v1", tmp_path / "out").fetched
        assert [later - sooner for sooner, later in pairwise(asked)] == [7, 7]
        asked.clear()
        registry.on("GET manifest", replace(busy, times=100))
        with pytest.raises(UnavailableError, match="TOOMANYREQUESTS") as caught:
            pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")
        assert [later - sooner for sooner, later in pairwise(asked)] == [7] * (ATTEMPTS - 1)
    assert caught.value.next_step == (f"wait, or cogpack login {registry.address}: accounts may ask more often")
