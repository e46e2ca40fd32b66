"""A calculated push is what `cogpack push` does, and names what holds it up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.bench.machine import Processor
from cogpack.bench.push_model import Making, PushLayer, PushWall, Sender, calculate_push, push_limit

MB = 10**6
QUICK = Processor(cores=4, sha256=1000 * MB, gzip=100 * MB, zstd=400 * MB, inflate=500 * MB)


def equal(count: int, size: int, making: Making = "plain", *, unread: bool = False) -> list[PushLayer]:
    one = size // count
    return [
        PushLayer(
            name=f"layer {at}",
            size=one,
            unpacked=3 * one if making == "gzip" else one,
            making=making,
            unread=unread,
        )
        for at in range(count)
    ]


@pytest.mark.parametrize(
    ("layers", "sender", "wall"),
    [
        (equal(12, 1200 * MB), Sender(stream=10 * MB, network=1000 * MB, processor=QUICK), "streams"),
        (equal(12, 1200 * MB), Sender(stream=100 * MB, network=50 * MB, processor=QUICK), "network"),
        (equal(12, 1200 * MB), Sender(stream=100 * MB, finishing=20 * MB, processor=QUICK), "registry"),
        (equal(99, 99 * MB), Sender(stream=100 * MB, answering=0.5, processor=QUICK), "registry"),
        (equal(12, 1200 * MB, "gzip"), Sender(stream=1000 * MB, processor=QUICK), "compression"),
        (equal(12, 1200 * MB, unread=True), Sender(stream=1000 * MB, disk=30 * MB, processor=QUICK), "disk"),
        (equal(12, 1200 * MB), Sender(stream=1000 * MB, disk=30 * MB, processor=QUICK), "disk"),
        (
            equal(12, 1200 * MB),
            Sender(stream=1000 * MB, processor=Processor(cores=2, sha256=9 * MB, gzip=MB, zstd=MB, inflate=MB)),
            "hashing",
        ),
        (equal(3, 3 * MB), Sender(stream=1e15, opening=0.3, processor=QUICK), None),
    ],
)
def test_the_wall_that_binds_is_named_with_what_it_costs(
    layers: list[PushLayer], sender: Sender, wall: PushWall | None
) -> None:
    push = calculate_push(layers, sender, jobs=4)
    assert push.wall == wall, push.costs
    if wall:
        assert push.costs[wall] == max(push.costs.values())
        without = calculate_push(layers, sender.without(wall), jobs=4).seconds
        assert without == pytest.approx(push.seconds - push.costs[wall])


def test_what_nobody_has_read_is_hashed_before_on_all_cores() -> None:
    sender = Sender(stream=math.inf, processor=Processor(cores=2, sha256=100 * MB, gzip=MB, zstd=MB, inflate=MB))
    push = calculate_push(equal(4, 400 * MB, unread=True), sender, jobs=4)
    assert push.reading == pytest.approx(2.0)
    assert push.seconds == pytest.approx(4.0)  # and once more on the way out
    assert calculate_push(equal(4, 400 * MB), sender, jobs=4).seconds == pytest.approx(2.0)


def test_a_layer_keeps_its_place_until_the_registry_has_answered() -> None:
    sender = Sender(stream=100 * MB, answering=1.0, finishing=100 * MB, processor=QUICK)
    assert calculate_push(equal(2, 200 * MB), sender, jobs=1).seconds == pytest.approx(6.0)
    assert calculate_push(equal(2, 200 * MB), sender, jobs=2).seconds == pytest.approx(3.0)


rates = st.floats(min_value=1e5, max_value=1e10)
processors = st.builds(Processor, cores=st.integers(1, 64), sha256=rates, gzip=rates, zstd=rates, inflate=rates)
senders = st.builds(
    Sender,
    stream=rates,
    network=st.none() | rates,
    opening=st.floats(0, 1),
    answering=st.floats(0, 10),
    finishing=st.none() | rates,
    disk=st.none() | rates,
    processor=processors,
)
sizes = st.integers(min_value=1, max_value=10**10)
layers = st.lists(
    st.builds(
        PushLayer,
        name=st.just("x"),
        size=sizes,
        unpacked=sizes,
        making=st.sampled_from(["given", "plain", "spliced", "gzip", "zstd"]),
        unread=st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@given(layers, senders, st.integers(1, 32))
def test_no_push_is_quicker_than_its_parts(layers: list[PushLayer], sender: Sender, jobs: int) -> None:
    push = calculate_push(layers, sender, jobs=jobs)
    assert push.seconds >= 0.999999 * push_limit(layers, sender)
    assert push.seconds >= 0.999999 * sum(layer.size for layer in layers) / min(jobs * sender.stream, 1e99)
    assert push.seconds == pytest.approx(max(span.done for span in push.spans))
    assert all(push.reading <= span.begun <= span.sent <= span.done for span in push.spans)
    assert min(push.costs.values()) >= -1e-6 * push.seconds


def test_no_client_beats_the_network_nor_sends_a_layer_over_two_connections() -> None:
    sender = Sender(stream=10 * MB, network=30 * MB, processor=QUICK)
    assert push_limit(equal(1, 60 * MB), sender) == 6.0
    assert push_limit(equal(60, 60 * MB), sender) == 2.0


def test_nothing_to_send_takes_no_time() -> None:
    push = calculate_push([], Sender(stream=MB, processor=QUICK), jobs=4)
    assert (push.seconds, push.wall, push_limit([], Sender(stream=MB, processor=QUICK))) == (0.0, None, 0.0)
