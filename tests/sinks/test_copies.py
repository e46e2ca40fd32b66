"""Layers that another registry has are read there where making them costs more, and made here where it fails."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clock import Notes
from support.counted import Counted
from support.fake_registry import FakeRegistry
from support.faults import Fault, answer, reset
from support.images import drain, file_layer, fill, known_of
from support.personalities import DIST3

from cogpack.digest import sha256
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, Uncompressed
from cogpack.layers.layer import Consume, Form
from cogpack.oci import Descriptor, LayerInfo
from cogpack.reference import Reference
from cogpack.session import Session, Settings
from cogpack.sinks.registry import RegistrySink

pytestmark = pytest.mark.slow

SIZE = 3 * 1024 * 1024
DATA = random.Random(5).randbytes(SIZE)


class Made(BuiltLayer):
    """Counts how often its bytes were made."""

    times = 0

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        self.times += 1
        return super().copy_to(consume, form)


def made(data: bytes = DATA, codec: Gzip | Uncompressed | None = None) -> Made:
    layer = file_layer("wheels: torch", {"big": data}, codec or Gzip())
    return Made(layer.source, layer._codec)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def session(tmp_path: Path, notes: Notes) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": str(tmp_path)}), notes) as session:
        yield session


@pytest.fixture
def registries() -> Iterator[tuple[FakeRegistry, FakeRegistry]]:
    with FakeRegistry(DIST3).running() as one, FakeRegistry(DIST3).running() as two:
        yield one, two


def sink(session: Session, registry: FakeRegistry, name: str) -> RegistrySink:
    reference = Reference.parse(f"{registry.address}/{name}")
    return RegistrySink(session.images(reference, push=True), session.blob_origins, session.copies(reference))


def pushed(session: Session, registry: FakeRegistry, layer: Made) -> Made:
    """The same layer as a later push has it, after one to `registry`."""
    fill(sink(session, registry, "me/first"), [layer], ["v1"])
    return again(layer)


def again(layer: Made) -> Made:
    return Made(layer.source, layer._codec)


def descriptor(layer: Made) -> Descriptor:
    return again(layer).copy_to(drain).descriptor


def wrong(data: bytes | Counted) -> bytes:
    assert isinstance(data, bytes)
    return data[:-1] + bytes([data[-1] ^ 1])


def push(session: Session, registry: FakeRegistry, layer: Made) -> RegistrySink:
    into = sink(session, registry, "me/second")
    fill(into, [layer], ["v1"], known=known_of(again(layer)))
    return into


def test_a_compressed_layer_comes_from_the_registry_that_has_it(
    session: Session, registries: tuple[FakeRegistry, FakeRegistry]
) -> None:
    one, two = registries
    layer = pushed(session, one, made())
    into = push(session, two, layer)
    assert layer.times == 0
    digest = descriptor(layer).digest
    assert into.copied == {digest: f"{one.address}/me/first"}
    assert digest in two.blobs["me/second"]


@pytest.mark.parametrize("layer", [made(codec=Uncompressed()), made(DATA[:500_000])], ids=["plain", "small"])
def test_what_is_made_as_soon_as_read_is_made_here(
    session: Session, registries: tuple[FakeRegistry, FakeRegistry], layer: Made
) -> None:
    layer = pushed(session, registries[0], layer)
    assert push(session, registries[1], layer).copied == {}
    assert layer.times == 1


FAULTS = {
    "denied": answer(403),
    "gone": answer(404),
    "broken": answer(500, times=99),
    "lost": Fault("lost", times=99),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_layer_that_the_other_registry_does_not_give_is_made_here(
    session: Session, notes: Notes, registries: tuple[FakeRegistry, FakeRegistry], method: str, fault: Fault
) -> None:
    one, two = registries
    layer = pushed(session, one, made())
    one.on(f"{method} blob", fault)
    into = push(session, two, layer)
    assert (into.copied, layer.times) == ({}, 1)
    assert descriptor(layer).digest in two.blobs["me/second"]
    assert len([note for note in notes.notes if "does not give it" in note]) == (method == "GET")


def test_a_copy_that_is_cut_goes_on(session: Session, registries: tuple[FakeRegistry, FakeRegistry]) -> None:
    one, two = registries
    layer = pushed(session, one, made())
    one.on("GET blob", reset(after=1_000_000, times=2))
    assert push(session, two, layer).copied
    assert layer.times == 0
    assert len(one.kinds("GET blob")) == 3


def test_wrong_bytes_of_another_registry_do_not_get_through(
    session: Session, notes: Notes, registries: tuple[FakeRegistry, FakeRegistry]
) -> None:
    one, two = registries
    layer = pushed(session, one, made())
    digest = descriptor(layer).digest
    good = two.blobs.setdefault("me/second", {})
    one.blobs["me/first"][digest] = wrong(one.blobs["me/first"][digest])
    into = push(session, two, layer)
    assert (into.copied, layer.times) == ({}, 1)
    assert sha256(bytes(good[digest])) == digest
    assert any("does not give it (expected the blob" in note for note in notes.notes)


def test_a_registry_that_is_away_is_asked_once(
    session: Session, notes: Notes, registries: tuple[FakeRegistry, FakeRegistry]
) -> None:
    with FakeRegistry(DIST3).running() as one:
        layers = [pushed(session, one, made(DATA + bytes([number]))) for number in range(3)]
        fill(sink(session, one, "me/first"), layers, ["v1"])
    copies = session.copies(Reference.parse(f"{registries[1].address}/me/second"))
    for layer in layers:
        with copies.find(layer, descriptor(layer)) as found:
            assert found is None
    assert copies._away == {one.address}
    assert notes.notes == []


def test_the_latest_home_of_a_blob_is_asked_first(
    session: Session, registries: tuple[FakeRegistry, FakeRegistry]
) -> None:
    one, two = registries
    layer = pushed(session, one, made())
    fill(sink(session, two, "me/third"), [layer], ["v1"])
    digest = descriptor(layer).digest
    homes = [Reference(two.address, "me/third"), Reference(one.address, "me/first")]
    assert session.blob_origins.in_other_registries("registry.test", digest) == homes
    assert session.blob_origins.in_other_registries(two.address, digest) == homes[1:]
