"""What a registry may do to an image while it comes: lose blobs, hold tags, have other pushers."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.clock import Notes, Time
from support.fake_registry import FakeRegistry
from support.faults import answer
from support.images import drain, file_layer, fill, image_of, known_of
from support.personalities import DIST28, error
from support.supplies import no_supply
from support.verbs import Verbs

from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.http import Http
from cogpack.images.assemble import Run
from cogpack.images.registry import RegistryImages
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.entry import Entry
from cogpack.layers.facts import Facts
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.known import Outgoing
from cogpack.oci import Platform
from cogpack.planning.delivery.transfer import Resources, transfer
from cogpack.planning.plan import Plan
from cogpack.progress import Cancellation, Cancelled
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.registry.repository import Repository
from cogpack.sinks.registry import RegistrySink

pytestmark = pytest.mark.slow

LAYERS = [("project", {"a": b"one"}), ("weights: b", {"b": b"two" * 100_000})]


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def http(notes: Notes) -> Iterator[Http]:
    with Http(progress=notes) as found:
        yield found


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(DIST28).running() as running:
        yield running


def sink(http: Http, registry: FakeRegistry, tmp_path: Path, name: str = "a/b") -> RegistrySink:
    reference = Reference.parse(f"{registry.address}/{name}")
    repository = Repository(http, reference, Credentials([]), actions=("pull", "push"))
    return RegistrySink(RegistryImages(repository), BlobOrigins(tmp_path / "homes"))


def test_f32_f33_a_blob_that_vanishes_before_the_manifest_is_sent_again(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    into = sink(http, registry, tmp_path)
    layers = [file_layer(name, files, Gzip()) for name, files in LAYERS]
    image = image_of(layers, [into.add_layer(Outgoing(layer), lambda _: None) for layer in layers])
    lost = image.layers[1][1].descriptor.digest
    del registry.blobs["a/b"][lost]
    root = into.put(image)
    into.commit(root, ["v1"])
    assert lost in registry.blobs["a/b"]
    assert registry.tags["a/b"] == {"v1": root.digest}


def test_f33_a_config_that_vanishes_before_the_manifest_is_sent_again(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    into = sink(http, registry, tmp_path)
    layers = [file_layer(*LAYERS[0])]
    image = image_of(layers, [into.add_layer(Outgoing(layer), lambda _: None) for layer in layers])
    lost: list[bytes] = []

    def throws_away(_: object) -> bool:
        if not lost:
            lost.append(registry.blobs["a/b"].pop(image.config_descriptor.digest))
        return False

    registry.on("PUT manifest", answer(500), when=throws_away)
    into.put(image)
    assert registry.blobs["a/b"][image.config_descriptor.digest] == lost[0]


def test_f33_a_blob_that_keeps_vanishing_is_an_error_and_no_tag(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    registry.on("PUT manifest", answer(400, error("MANIFEST_BLOB_UNKNOWN", "sha256:x"), times=9))
    with pytest.raises(InputError, match="MANIFEST_BLOB_UNKNOWN"):
        fill(sink(http, registry, tmp_path), [file_layer(*LAYERS[0])], ["v1"])
    assert len(registry.kinds("PUT manifest")) == 2
    assert not registry.tags.get("a/b")


def test_f32_after_a_long_push_every_blob_is_looked_for_before_the_manifest(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    time = Time()
    with Http(clock=time.clock) as http:
        into = sink(http, registry, tmp_path)
        layers = [file_layer(name, files) for name, files in LAYERS]
        image = image_of(layers, [into.add_layer(Outgoing(layer), lambda _: None) for layer in layers])
        del registry.blobs["a/b"][image.layers[0][1].descriptor.digest]
        time.now += 31 * 60
        into.put(image)
    assert registry.kinds("PUT manifest") == ["PUT manifest"]


def test_f36_who_stops_before_a_layer_is_made_ends_the_session_that_a_refused_mount_opened(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    layer = file_layer(*LAYERS[0])
    info = layer.copy_to(drain)
    BlobOrigins(tmp_path / "homes").record(registry.address, "c/d", [info.descriptor.digest])

    def stop(_: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        sink(http, registry, tmp_path).add_layer(Outgoing(layer, known_of(layer)), stop)
    assert registry.kinds("DELETE session")
    assert not registry.sessions


@pytest.mark.parametrize("status", [400, 403, 409, 412])
def test_f34_an_immutable_tag_is_fine_where_it_is_ours_and_names_the_digest_where_not(
    http: Http, registry: FakeRegistry, tmp_path: Path, status: int
) -> None:
    layers = [file_layer(*LAYERS[0])]
    _, root = fill(sink(http, registry, tmp_path), layers, ["v1"])
    by_tag = answer(status, error("TAG_INVALID", "immutable"))
    registry.on("PUT manifest", by_tag, when=lambda seen: seen.path.endswith("/v1"))
    fill(sink(http, registry, tmp_path), layers, ["v1"])
    registry.on("PUT manifest", by_tag, when=lambda seen: seen.path.endswith("/v1"))
    with pytest.raises(CogpackError) as refused:
        fill(sink(http, registry, tmp_path), [file_layer(*LAYERS[1])], ["v1"])
    assert f"a/b:v1 stays {root.digest}" in refused.value.message
    (other,) = registry.manifests["a/b"].keys() - {root.digest}
    assert f"a/b@{other}" in refused.value.next_step


def test_f35_another_pusher_right_behind_us_is_told_of(
    http: Http, registry: FakeRegistry, tmp_path: Path, notes: Notes
) -> None:
    theirs = "sha256:" + "7" * 64
    registry.on("HEAD manifest", answer(200, Docker_Content_Digest=theirs, Content_Length="0"))
    fill(sink(http, registry, tmp_path), [file_layer(*LAYERS[0])], ["v1"])
    assert any(theirs in note for note in notes.notes)


def test_a_tag_that_was_taken_and_is_not_there_is_an_error(http: Http, registry: FakeRegistry, tmp_path: Path) -> None:
    registry.on("PUT manifest", answer(201), when=lambda seen: seen.path.endswith("/v1"))
    with pytest.raises(MismatchError, match="took the manifest v1 and does not have it"):
        fill(sink(http, registry, tmp_path), [file_layer(*LAYERS[0])], ["v1"])


def test_f37_after_60_of_100_layers_the_next_push_asks_for_each_once_and_sends_40(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    def layers(count: int) -> list[BuiltLayer]:
        return [file_layer(f"{number}", {f"{number}": b"%d" % number}) for number in range(count)]

    killed = sink(http, registry, tmp_path)
    for layer in layers(60):
        killed.add_layer(Outgoing(layer), lambda _: None)
    registry.seen.clear()
    fill(sink(http, registry, tmp_path), layers(100), ["v1"])
    config = 1
    assert len(registry.kinds("HEAD blob")) == 100 + config
    assert len(registry.kinds("PUT session")) == 40 + config
    assert len(json.loads(registry.manifests["a/b"][registry.tags["a/b"]["v1"]][1])["layers"]) == 100


def test_f41_a_layer_that_stands_twice_in_an_image_is_sent_once(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    into = sink(http, registry, tmp_path)
    into.add_layer(Outgoing(file_layer(*LAYERS[1])), lambda _: None)
    registry.blobs.clear()
    registry.seen.clear()

    def add(_: int) -> None:
        layer = file_layer(*LAYERS[1])
        into.add_layer(Outgoing(layer, known_of(layer)), lambda _: None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert registry.kinds("PUT session") == ["PUT session"]


def test_a_layer_that_another_repository_of_the_registry_got_from_here_is_mounted(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    layers = [file_layer(name, files) for name, files in LAYERS]
    fill(sink(http, registry, tmp_path, "me/first"), layers, ["v1"])
    again = [file_layer(name, files) for name, files in LAYERS]
    image, _ = fill(sink(http, registry, tmp_path, "me/second"), again, ["v1"])
    assert registry.received("me/second") == len(image.config)
    assert registry.tags["me/second"] == registry.tags["me/first"]


def test_a_registry_that_forgot_what_this_machine_remembers_gets_the_layer(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    layers = [file_layer(*LAYERS[0])]
    fill(sink(http, registry, tmp_path, "me/first"), layers, ["v1"])
    fill(sink(http, registry, tmp_path, "me/other"), [file_layer(*LAYERS[0])], ["v1"])
    registry.blobs.clear()
    fill(sink(http, registry, tmp_path, "me/second"), [file_layer(*LAYERS[0])], ["v1"])
    assert "me/second" in registry.tags
    assert not registry.sessions  # two were opened where a mount was asked for, and one was used


def test_a_manifest_that_is_too_large_for_the_registry_is_an_error_and_no_tag(http: Http, tmp_path: Path) -> None:
    with FakeRegistry(replace(DIST28, manifest_limit=100)).running() as registry:
        with pytest.raises(InputError, match="MANIFEST_INVALID"):
            fill(sink(http, registry, tmp_path), [file_layer(*LAYERS[0])], ["v1"])
        assert not registry.tags.get("a/b")


def test_a_layer_that_the_registry_lacks_is_said_to_be_built_while_it_is_made(
    http: Http, registry: FakeRegistry, tmp_path: Path
) -> None:
    """What it comes out as was known, so that the registry was asked; making it may take long before its first byte."""
    progress, during = Verbs(), list[list[str]]()
    told = file_layer(*LAYERS[1], Gzip())

    class Slow(FilesSource):
        def entries(self) -> Iterable[Entry]:
            during.append([verb for task in progress.tasks if task.name == self.name for verb in task.verbs])
            return told.source.entries()

    source = Slow(told.name, [generated(path, data) for path, data in LAYERS[1][1].items()])
    layer = BuiltLayer(source, Gzip())
    plan = Plan(
        layers=(layer,),
        base_layers=0,
        base=None,
        run=Run(environment=(), path=None, command=(), working_directory="/", ports=(), labels={}),
        platform=Platform.parse("linux/amd64"),
        annotations={},
        created=None,
    )
    into = sink(http, registry, tmp_path)
    transfer(
        plan,
        known_of(told),
        into,
        Resources(
            jobs=1,
            supply=no_supply(),
            facts=Facts(tmp_path / "facts"),
            progress=progress,
            cancellation=Cancellation(),
        ),
        tags=(),
    )
    assert during == [["ask", "build"]]
    assert [(task.verbs, task.outcome) for task in progress.tasks] == [(["ask", "build", "send"], "sent")]
