"""Files that change, disks that are full, lines that crawl: through layers and sink into a registry on a socket."""

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from support.disks import no_file_beyond
from support.fake_registry import FakeRegistry
from support.faults import Fault, Seen, answer, late, reset
from support.images import drain, file_layer, fill, image_of, known_of, plan_of
from support.personalities import ALL, DIST28, error
from support.supplies import no_supply

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import Http, Limits
from cogpack.images.registry import RegistryImages
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Codec, Gzip, Uncompressed
from cogpack.layers.facts import Facts
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.known import NOTHING, Outgoing
from cogpack.planning.delivery.transfer import Resources, Transferred, transfer
from cogpack.progress import SILENT
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.registry.repository import Repository
from cogpack.sinks.registry import RegistrySink

MiB = 1024 * 1024


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(DIST28).running() as running:
        yield running


def sink(http: Http, registry: FakeRegistry, tmp_path: Path) -> RegistrySink:
    reference = Reference.parse(f"{registry.address}/a/b")
    repository = Repository(http, reference, Credentials([]), actions=("pull", "push"))
    return RegistrySink(RegistryImages(repository), BlobOrigins(tmp_path / "homes"))


# F1, F2: one layer of several breaks


def moved(http: Http, registry: FakeRegistry, tmp_path: Path, layers: list[BuiltLayer]) -> Transferred:
    return transfer(
        plan_of(*layers),
        known_of(*layers),
        sink(http, registry, tmp_path),
        Resources(
            jobs=len(layers),
            supply=no_supply(),
            facts=Facts(tmp_path / "facts"),
            progress=SILENT,
            cancellation=http.cancellation,
        ),
        tags=["v1"],
    )


def different_layers(*sizes: int) -> list[BuiltLayer]:
    """Of bytes that are all different; `moved` knows the digest of each: they go out in whole PUTs."""
    return [file_layer(f"{number}", {"w": random.Random(number).randbytes(size)}) for number, size in enumerate(sizes)]


def digest_of(layer: BuiltLayer) -> Digest:
    return layer.copy_to(drain).descriptor.digest


def put_of(layer: BuiltLayer) -> Callable[[Seen], bool]:
    digest = digest_of(layer)
    return lambda seen: parse_qs(seen.query)["digest"] == [digest]


@pytest.mark.slow
def test_f1_a_layer_that_breaks_once_is_sent_again_and_the_others_go_on_undisturbed(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    broken, *others = layers = different_layers(8 * MiB, 8 * MiB, 3 * MiB, 100)
    registry.on("PUT session", reset(after=MiB), when=put_of(broken))
    with Http() as http:
        done = moved(http, registry, tmp_path, layers)
    answers = {layer.name: [seen.status for seen in registry.seen if seen.kind == "PUT session" and put_of(layer)(seen)]
               for layer in layers}  # fmt: skip
    assert answers == {broken.name: [0, 201]} | {layer.name: [201] for layer in others}
    assert registry.kinds("PATCH session") == []
    for layer, came in zip(others, done.layers[1:], strict=True):
        assert came.sent == came.info.descriptor.size, layer.name
    assert registry.tags["a/b"] == {"v1": done.descriptor.digest}


@pytest.mark.slow
def test_f2_a_layer_that_always_breaks_is_tried_in_every_shape_named_and_no_tag_is_written(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    broken, *others = layers = different_layers(24 * MiB, 3 * MiB, 100)
    registry.on("PUT session", reset(after=MiB, times=99), when=put_of(broken))
    registry.on("PATCH session", reset(after=MiB, times=99))  # nobody else has a reason to send one
    with Http() as http, pytest.raises(UnavailableError) as failed:
        moved(http, registry, tmp_path, layers)
    found = re.match(
        rf"{registry.address}/a/b: {broken.name}: gave up at (\d+) bytes after 4 tries in each shape \((.+?)\)",
        failed.value.message,
    )
    assert found is not None, failed.value.message
    assert MiB <= int(found[1]) < 24 * MiB  # what lies in the sockets' buffers counts as on its way
    assert found[2] == "put, stream, chunks"
    assert failed.value.exit_code == 5
    patches = [seen for seen in registry.seen if seen.kind == "PATCH session"]
    assert {"content-range" in seen.headers for seen in patches} == {False, True}
    assert digest_of(broken) not in registry.blobs["a/b"]
    assert {digest_of(layer) for layer in others} <= registry.blobs["a/b"].keys()
    assert registry.kinds("PUT manifest") == []
    assert not registry.tags.get("a/b")


# F29: the file changes while it goes out


def grows(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"more")


def shrinks(file: Path) -> None:
    os.truncate(file, 6 * MiB)


def is_replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(bytes(file.stat().st_size))
    other.replace(file)


def is_written_to(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(8 * MiB)
        stream.write(b"changed")
    os.utime(file, ns=(1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("change", [grows, shrinks, is_replaced, is_written_to])
@pytest.mark.parametrize("codec", [Uncompressed(), Gzip()], ids=["plain", "gzip"])
@pytest.mark.parametrize("known", [True, False])
def test_f29_a_file_that_changes_while_it_goes_out_is_named_and_nothing_comes_of_it(
    registry: FakeRegistry, tmp_path: Path, change: Callable[[Path], None], codec: Codec, known: bool
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(random.Random(1).randbytes(12 * MiB))
    layer = BuiltLayer(FilesSource("weights: w", [Placed("w", Fingerprints(tmp_path / "f").of(file))]), codec)
    outgoing = Outgoing(layer, known_of(layer) if known else NOTHING)
    sent = 0

    def count(size: int) -> None:
        nonlocal sent
        sent += size
        if size and sent - size < 4 * MiB <= sent:
            change(file)

    with Http() as http:
        into = sink(http, registry, tmp_path)
        outgoing.read_first = False  # or it would be read once before anything goes out
        with pytest.raises(MismatchError, match=re.escape(str(file))):
            into.add_layer(outgoing, count)
    assert sent >= 4 * MiB
    assert not registry.blobs.get("a/b")
    assert not registry.sessions
    assert not registry.tags


# F30, F31: lines that crawl


QUICK = Limits(answer=0.4, idle=0.4, rate=1 << 30, window=0.4, refusal=0.2, connect=1, commit=0.4)


@pytest.mark.slow
@pytest.mark.parametrize("how", [Fault("stall", after=1, times=99), Fault("slow", after=1, rate=100_000, times=99)])
def test_f30_a_registry_that_takes_nothing_or_next_to_nothing_is_dropped_and_given_up(
    registry: FakeRegistry, tmp_path: Path, how: Fault
) -> None:
    for kind in ("PUT session", "PATCH session"):
        registry.on(kind, how)
    layer = file_layer("weights: w", {"w": bytes(24 * MiB)})
    with Http(limits=QUICK) as http, pytest.raises(UnavailableError, match="tries in each shape"):
        sink(http, registry, tmp_path).add_layer(Outgoing(layer), lambda _: None)
    assert len(registry.kinds("PUT session")) == 4
    assert not registry.blobs.get("a/b")


@pytest.mark.slow
def test_f30_silence_twice_is_not_taken_for_a_limit_of_time(registry: FakeRegistry, tmp_path: Path) -> None:
    """Each lasts more than a minute by this clock."""
    registry.on("PUT session", Fault("stall", after=1, times=2))
    with Http(limits=QUICK, clock=lambda: 300 * time.monotonic()) as http:
        fill(sink(http, registry, tmp_path), [file_layer("weights: w", {"w": bytes(24 * MiB)})], ["v1"])
    assert registry.tags["a/b"]
    assert registry.kinds("PATCH session") == []  # which would be chunks, the way round a limit of time


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_f31_an_upload_whose_answers_drip_is_dropped_and_given_up(
    registry: FakeRegistry, tmp_path: Path, known: bool
) -> None:
    """A byte of a header now and then: each would be in time."""
    for kind in ("PUT session", "PATCH session"):
        registry.on(kind, Fault("drip", times=99))
    layer = file_layer("weights: w", {"w": bytes(MiB)})
    with Http(limits=QUICK) as http, pytest.raises(UnavailableError, match=r"4 tries in each shape.*not done in"):
        sink(http, registry, tmp_path).add_layer(Outgoing(layer, known_of(layer) if known else NOTHING), lambda _: None)
    assert len(registry.kinds("PUT session" if known else "PATCH session")) >= 4
    assert not registry.tags


# F36: the disk


def test_f36_a_cache_that_can_not_be_written_keeps_no_push_from_its_end(registry: FakeRegistry, tmp_path: Path) -> None:
    (tmp_path / "homes").write_text("a file where a directory should be, as a full disk leaves it")
    with Http() as http:
        fill(sink(http, registry, tmp_path), [file_layer("project", {"a": b"one"})], ["v1"])
    assert registry.tags["a/b"]


def test_f36_a_disk_that_is_full_in_the_middle_of_a_write_to_the_cache_ends_nothing(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    homes = tmp_path / "homes"
    with Http() as http, no_file_beyond(4):
        fill(sink(http, registry, tmp_path), [file_layer("project", {"a": b"one"})], ["v1"])
    assert registry.tags["a/b"]
    assert homes.is_dir()
    assert [path for path in homes.rglob("*") if path.is_file()] == []


def test_f36_a_disk_that_fails_ends_the_session_and_the_file_is_named(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(8 * MiB))
    content = Fingerprints(tmp_path / "f").of(file)
    layer = BuiltLayer(FilesSource("weights: w", [Placed("w", content)]), Gzip())
    monkeypatch.setattr("cogpack.layers.content._open_at_once", lambda path, _: os.open(path, os.O_WRONLY))
    with Http() as http, pytest.raises(InputError, match=r"model\.bin: can't be read"):
        sink(http, registry, tmp_path).add_layer(Outgoing(layer), lambda _: None)
    assert not registry.sessions
    assert not registry.blobs.get("a/b")


# Any registry, any faults


FAULTS = (
    lambda rng: reset(after=rng.randrange(4 * MiB)),
    lambda rng: answer(rng.choice([401, 404, 408, 429, 500, 502, 503]), after=rng.choice([0, 1, MiB])),
    lambda rng: answer(rng.choice([200, 201, 202, 204]), after=rng.choice([0, 1, MiB]), then="close"),
    lambda rng: answer(rng.choice([405, 413, 416]), error("SIZE_INVALID"), then=rng.choice(["drain", "close"])),
    lambda rng: answer(400, error(rng.choice(["DIGEST_INVALID", "UNSUPPORTED", "MANIFEST_BLOB_UNKNOWN"]))),
    lambda rng: late(rng.choice([200, 201, 202, 500, 502, 504])),
    lambda rng: Fault("lost"),
    lambda rng: Fault("stall", after=rng.randrange(MiB)),
)
KINDS = ("PUT session", "PUT session", "PATCH session", "PATCH session", "POST session", "GET session", "HEAD blob",
         "PUT manifest", "HEAD manifest", "GET manifest")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("COGPACK_EXAMPLES", "24"))))
def test_whatever_a_registry_is_and_does_an_image_is_whole_there_or_the_push_failed(seed: int, tmp_path: Path) -> None:
    """`COGPACK_EXAMPLES=1000` for more of them."""
    rng = random.Random(seed)
    manners = rng.choice(ALL)
    layers = [
        file_layer(f"{number}", {"w": rng.randbytes(rng.choice([0, 1, MiB, 3 * MiB + 5]))}, codec)
        for number, codec in enumerate(rng.choices([Uncompressed(), Gzip()], k=4))
    ]
    with FakeRegistry(manners).running() as registry, Http(limits=QUICK) as http:
        for _ in range(rng.randrange(12)):
            registry.on(rng.choice(KINDS), rng.choice(FAULTS)(rng))
        into = sink(http, registry, tmp_path)
        try:
            with ThreadPoolExecutor(3) as pool:
                infos = list(pool.map(lambda layer: into.add_layer(Outgoing(layer), lambda _: None), layers))
            image = image_of(layers, infos)
            into.commit(into.put(image), ["v1"])
        except CogpackError:
            ended = False
        else:
            ended = True
        digests = {info.descriptor.digest for info in infos} if ended else set()
        for digest, data in registry.blobs.get("a/b", {}).items():
            assert sha256(data) == digest
        tag = registry.tags.get("a/b", {}).get("v1")
        if tag is not None:
            manifest = json.loads(registry.manifests["a/b"][tag][1])
            assert {layer["digest"] for layer in manifest["layers"]} <= registry.blobs["a/b"].keys()
        if ended:
            assert tag == image.descriptor.digest
            assert digests <= registry.blobs["a/b"].keys()
