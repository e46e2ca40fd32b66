"""Where steps and weights would meet is refused, and where they can't is recorded."""

import pytest

from cogpack.errors import InputError
from cogpack.layers import tar
from cogpack.layers.content import Bytes
from cogpack.layers.entry import Entry, File, HardLink, Symlink, Whiteout, complete
from cogpack.planning.steps.captured_places import Touched, unproven

ENTRIES = complete(
    [
        File("etc/made", Bytes(b"x")),
        HardLink("etc/twin", "etc/made"),
        Symlink("src/link", "elsewhere"),
        File("src/deep/er/file", Bytes(b"")),
        Whiteout("opt/models"),
    ],
    {},
)
TOUCHED = Touched.of_entries(ENTRIES)


def test_a_layers_tar_says_the_same_as_its_entries() -> None:
    assert Touched.of_layer(tar.blocks(tar.segments(ENTRIES)), "layer") == TOUCHED
    halves = [complete(half, {}) for half in (ENTRIES[:4], ENTRIES[4:])]
    assert Touched.of_all(map(Touched.of_entries, halves)) == TOUCHED


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("etc/made", "build.run wrote /etc/made, where the weight w is to lie"),
        ("src/deep", "build.run wrote /src/deep, where"),  # it would be a directory
        ("src/link/w", "build.run wrote /src/link, below which the weight w is to lie"),
        ("opt/models/a/w", "build.run removed /opt/models, below which"),
        ("opt/models", "build.run removed /opt/models, where"),
    ],
)
def test_a_weight_that_would_be_hidden_is_refused_by_both_names(place: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        TOUCHED.check({place: "w"})
    assert caught.value.message.startswith(said)
    assert list(unproven({place: "w"}, TOUCHED.untouched([]))) == [place]


def test_a_weight_beside_what_steps_wrote_is_no_matter() -> None:
    beside = dict.fromkeys(["src/deep/w", "src/w", "etc/w", "weights/a/b/w", "opt/model/w", "src/deeper/w"], "w")
    TOUCHED.check(beside)
    untouched = TOUCHED.untouched(beside)
    assert untouched == ("etc/w", "opt/model/", "src/deep/w", "src/deeper/", "src/w", "weights/")
    assert not list(unproven(beside, untouched))


@pytest.mark.parametrize("entries", [[], [File("opt/x", Bytes(b""))]])
def test_where_the_project_was_left_alone_its_weights_need_no_second_look(entries: list[Entry]) -> None:
    untouched = Touched.of_entries(complete(entries, {})).untouched([])
    assert untouched == ("src/",)
    assert list(unproven({"src/a/w": "w", "src": "x", "srcs/w": "y", "src/v": "z"}, untouched)) == ["src", "srcs/w"]
