"""A calculated pull is what engines do, and names what holds it up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.bench.clients import DOCKER, PODMAN, STOCK, ours
from cogpack.bench.layouts import others
from cogpack.bench.model import Client, Form, Host, Layer, Wall, calculate, layers_of, limit
from cogpack.digest import sha256
from cogpack.oci import DOCKER_LAYER_GZIP, OCI_LAYER, OCI_LAYER_ZSTD, Descriptor

MB = 10**6


def equal(count: int, size: int, form: Form = "tar") -> list[Layer]:
    return [Layer(f"layer {at}", size // count, size // count, form, weights=True) for at in range(count)]


@pytest.mark.parametrize(("count", "seconds"), [(1, 26.4), (3, 11.0), (6, 9.7), (12, 9.4), (24, 9.8)])
def test_docker_20_10_took_what_is_calculated(count: int, seconds: float) -> None:
    """600 MB in so many layers, 25 MB/s a connection, 0.15 s to a first byte: measured (docs/bench.md)."""
    host = Host(stream=25 * MB, unpack={"tar": 260 * MB}, first_byte=0.15)
    assert calculate(equal(count, 600 * MB), DOCKER, host).seconds == pytest.approx(seconds, rel=0.06)


@pytest.mark.parametrize(
    ("host", "wall"),
    [
        (Host(stream=10 * MB, network=1000 * MB, unpack={"tar": 500 * MB}, disk=900 * MB), "streams"),
        (Host(stream=100 * MB, network=50 * MB, unpack={"tar": 500 * MB}, disk=900 * MB), "network"),
        (Host(stream=100 * MB, network=1000 * MB, unpack={"tar": 20 * MB}, disk=900 * MB), "unpack"),
        (Host(stream=100 * MB, network=1000 * MB, unpack={"tar": 500 * MB}, disk=30 * MB), "disk"),
        (Host(stream=1e12, first_byte=0.3), None),
    ],
)
def test_the_wall_that_binds_is_named_with_what_it_costs(host: Host, wall: Wall | None) -> None:
    pull = calculate(equal(12, 1200 * MB), DOCKER, host)
    assert pull.wall == wall
    if wall:
        assert pull.costs[wall] == max(pull.costs.values())
        without = calculate(equal(12, 1200 * MB), DOCKER, host.without(wall)).seconds
        assert without == pytest.approx(pull.seconds - pull.costs[wall])


sizes = st.integers(min_value=1, max_value=10**10)
rates = st.floats(min_value=1e5, max_value=1e10)
hosts = st.builds(
    Host,
    stream=rates,
    network=st.none() | rates,
    unpack=st.dictionaries(st.sampled_from(["tar", "gzip", "zstd"]), rates),
    disk=st.none() | rates,
    first_byte=st.floats(min_value=0, max_value=1),
)
layers = st.lists(
    st.builds(Layer, st.just("x"), sizes, sizes, st.sampled_from(["tar", "gzip", "zstd"]), st.booleans()), min_size=1,
    max_size=40,
)  # fmt: skip


@given(layers, hosts, st.sampled_from(STOCK))
def test_no_pull_is_quicker_than_its_parts(layers: list[Layer], host: Host, client: Client) -> None:
    pull = calculate(layers, client, host)
    size = sum(layer.size for layer in layers)
    pace = min(client.streams * host.stream, host.network or 1e99)
    assert pull.seconds >= 0.999999 * size / pace
    assert pull.seconds >= 0.999999 * limit(layers, host, connections=client.streams)
    assert pull.seconds <= 1.000001 * max(pull.spans[-1].done, pull.seconds)
    assert all(span.asked <= span.came <= span.begun <= span.done for span in pull.spans)
    assert min(pull.costs.values()) >= -1e-6 * pull.seconds


@given(layers)
def test_other_layouts_hold_the_same_bytes_in_the_same_place(layers: list[Layer]) -> None:
    rest = [layer for layer in layers if not layer.weights]
    for layout in others(layers):
        assert [layer for layer in layout.layers if not layer.weights] == rest
        inside = sum(layer.unpacked for layer in layout.layers if layer.weights)
        assert inside == sum(layer.unpacked for layer in layers if layer.weights)


def test_ours_is_bound_by_all_connections_together_and_unpacks_nothing() -> None:
    host = Host(stream=10 * MB, unpack={"tar": 1 * MB})
    assert calculate(equal(1, 800 * MB), ours(16), host).seconds == pytest.approx(5.0)
    assert calculate(equal(1, 800 * MB), PODMAN, host).seconds > 800


def test_layers_of_an_image_are_told_by_their_media_types() -> None:
    types = (OCI_LAYER, DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD)
    found = [Descriptor(media_type=kind, digest=sha256(kind.encode()), size=1000) for kind in types]
    made = layers_of([("base", found[0]), ("", found[1]), ("weights: a", found[2])], {found[2].digest})
    assert [(layer.name, layer.form, layer.weights) for layer in made] == [
        ("base", "tar", False),
        (found[1].digest[7:19], "gzip", False),
        ("weights: a", "zstd", True),
    ]
    assert made[0].unpacked == 1000 < made[2].unpacked < made[1].unpacked
