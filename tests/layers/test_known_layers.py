"""What is said of layers: by whom, how far it counts, and that no pass goes on against it."""

from collections.abc import Mapping

import pytest
from support.images import drain, file_layer, known_of

from cogpack.digest import DiffID, Digest
from cogpack.errors import MismatchError
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Gzip, Uncompressed
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.known import BASE, NOTHING, READ, Claims, Known, KnownLayer, Outgoing
from cogpack.layers.layer import Body, Form, key_of
from cogpack.oci import Descriptor, LayerInfo

ZERO = LayerInfo(Descriptor(media_type="x", digest=Digest("sha256:" + "0" * 64), size=3), DiffID("sha256:" + "1" * 64))
TAG = "the tag h/r:v1"


def layer(data: bytes = b"data", *, remote: bool = False) -> BuiltLayer:
    return BuiltLayer(FilesSource("test", [generated("opt/x", data)]), Gzip(), remote=remote)


def tag(said: Mapping[str, LayerInfo]) -> Claims:
    return Claims(TAG, said, trusted=False, without="--no-tag-cache")


def test_two_that_differ_are_named_both() -> None:
    made, key = layer(), key_of(layer())
    other = LayerInfo(ZERO.descriptor, DiffID("sha256:" + "2" * 64))
    claims = [Claims("cogpack.lock", {key: ZERO}), Claims("the cache", {key: ZERO}), Claims("another", {key: other})]
    with pytest.raises(MismatchError, match=r"cogpack\.lock says .* another says") as caught:
        Known.weighed([made], claims)
    assert "[[results]]" in caught.value.next_step
    with pytest.raises(MismatchError, match=r"cogpack\.lock says .* the tag h/r:v1 says") as caught:
        Known.weighed([made], [*claims[:2], tag({key: other})])
    assert "--no-tag-cache" in caught.value.next_step


def test_the_first_that_is_trusted_is_named_and_else_the_first() -> None:
    made, key = layer(), key_of(layer())
    trusted = [Claims("cogpack.lock", {key: ZERO}), Claims("the cache", {key: ZERO})]
    for claims in (trusted, [tag({key: ZERO}), *trusted], [*trusted, tag({key: ZERO})]):
        known = Known.weighed([made], claims).of(made)
        assert known is not None
        assert (known.source, known.trusted, known.told_by) == ("cogpack.lock", True, "cogpack.lock")
    known = Known.weighed([made], [Claims("nobody", {}), tag({key: ZERO}), Claims("other", {key: ZERO}, False)]).of(
        made
    )
    assert known is not None
    assert (known.source, known.trusted) == (TAG, False)


def test_what_this_run_read_bears_out_what_was_not_trusted() -> None:
    made, key = layer(), key_of(layer())
    info = made.copy_to(drain)
    known = Known.weighed([made], [tag({key: info})]).with_read({key: info}).of(made)
    assert known is not None
    assert (known.source, known.trusted, known.told_by) == (READ, True, "")
    known = Known.weighed([made], [Claims("the cache", {key: info})]).with_read({key: info}).of(made)
    assert known is not None
    assert known.source == "the cache"


def test_a_base_says_itself_what_its_layers_are() -> None:
    base = BaseLayer("base", ZERO, lambda _: iter([]), ())
    known = NOTHING.of(base)
    assert known is not None
    assert (known.info, known.source, known.trusted, known.told_by) == (ZERO, BASE, True, "")
    assert NOTHING.size(base) == 3


def test_the_size_is_told_where_nothing_need_be_made() -> None:
    assert NOTHING.size(layer()) is None
    plain = file_layer("plain", {"a": b"1"}, Uncompressed())
    assert NOTHING.size(plain) == plain.copy_to(drain).descriptor.size
    assert Known.weighed([layer()], [Claims("x", {key_of(layer()): ZERO})]).size(layer()) == 3


def test_a_pass_that_contradicts_is_told_before_the_last_block_is_out() -> None:
    made = file_layer("test", {"opt/x": b"x" * 10_000}, Uncompressed())
    sent: list[bytes] = []
    with pytest.raises(MismatchError, match=f"cogpack.lock says it is {ZERO.descriptor.digest}, the layer just built"):
        Outgoing(made, Known.weighed([made], [Claims("cogpack.lock", {key_of(made): ZERO})])).copy_to(
            lambda body: sent.extend(body)
        )
    assert sum(map(len, sent)) <= ZERO.descriptor.size


def test_a_plain_tar_is_held_to_the_diff_id() -> None:
    made = layer()
    outgoing = Outgoing(made, known_of(made))
    outgoing.copy_to(drain, Form.PLAIN)
    assert not outgoing.made, "its stored bytes are not borne out"
    with pytest.raises(MismatchError, match="the layer just built"):
        Outgoing(made, Known.weighed([made], [Claims("x", {key_of(made): ZERO})])).copy_to(drain, Form.PLAIN)


def test_a_layer_is_made_by_a_whole_pass_alone() -> None:
    outgoing = Outgoing(layer(), known_of(layer()))

    def half(body: Body) -> None:
        next(iter(body))

    with pytest.raises(AssertionError):
        outgoing.copy_to(half)
    assert not outgoing.made
    assert outgoing.copy_to(drain) == outgoing.known
    assert outgoing.made


def test_what_is_added_is_weighed_as_if_it_had_been_there() -> None:
    made, key = layer(), key_of(layer())
    by_tag = Known.weighed([made], [tag({key: ZERO})])
    added = by_tag.adding([made], Claims("h/layers, signed", {key: ZERO})).of(made)
    assert added == KnownLayer(ZERO, "h/layers, signed")
    assert by_tag.adding([made], Claims("h/layers", {key: ZERO}, trusted=False)).of(made) == by_tag.of(made)
    other = LayerInfo(ZERO.descriptor, DiffID("sha256:" + "2" * 64))
    with pytest.raises(MismatchError, match=r"the tag h/r:v1 says .* h/layers says"):
        by_tag.adding([made], Claims("h/layers", {key: other}))
    known = Known().adding([made], Claims("h/layers", {key: ZERO}, trusted=False, without="ask them"))
    with pytest.raises(MismatchError, match="h/layers says") as caught:
        Outgoing(made, known).copy_to(drain)
    assert caught.value.next_step == "ask them"


def test_a_tag_that_lies_is_named_with_the_way_round_it() -> None:
    made = layer()
    with pytest.raises(MismatchError, match="the tag h/r:v1 says") as caught:
        Outgoing(made, Known.weighed([made], [tag({key_of(made): ZERO})])).copy_to(drain)
    assert "--no-tag-cache" in caught.value.next_step


def test_a_layer_that_may_be_there_is_read_before_it_is_sent_unless_that_is_a_download() -> None:
    for made, first in ((layer(), True), (layer(remote=True), False)):
        assert not Outgoing(made).read_first
        known = Known.weighed([made], [], lambda _: True)
        assert known.of(made) is None
        assert Outgoing(made, known).read_first is first
    known = Known.weighed([layer()], [Claims("x", {key_of(layer()): ZERO})], lambda _: True)
    assert not Outgoing(layer(), known).read_first, "it is known"
