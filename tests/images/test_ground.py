"""What there is of an image's layers follows from all of a layer, and not from the order in its tar."""

import pytest

from cogpack.images.ground import apply_layer, ground_of
from cogpack.images.listings import Listed
from cogpack.images.root_file_system import RootFileSystem, too_many
from cogpack.layers.entry import File


def listed(path: str, kind: str = "file", *, link: str = "", data: bytes | None = None) -> Listed:
    return Listed(path, kind, 0o644, 0, 0, 0, link, data)


def applied(*layers: list[Listed]) -> dict[str, bytes]:
    files: RootFileSystem[Listed] = RootFileSystem(too_many("test"))
    for layer in layers:
        apply_layer(files, layer)
    found = {}
    for path, entry in ground_of(files.entries).items():
        if isinstance(entry, File):
            with entry.content.open() as stream:
                found[path] = stream.read()
    return found


@pytest.mark.parametrize("name", ["d/.wh..wh..opq", "d/.wh.a", ".wh.d"])
def test_a_whiteout_hides_what_lower_layers_have_and_nothing_of_its_own(name: str) -> None:
    upper = [listed("d/a", data=b"new"), listed(name)]
    for layer in (upper, upper[::-1]):
        assert applied([listed("d/a", data=b"old")], layer) == {"d/a": b"new"}


def test_a_hard_link_is_a_file_like_the_one_it_names_wherever_that_stands() -> None:
    file = listed("usr/bin/a", data=b"a")
    links = [listed("b", "hardlink", link="usr/bin/a"), listed("c", "hardlink", link="b")]
    every = {"usr/bin/a": b"a", "b": b"a", "c": b"a"}
    for layer in ([file, *links], [*links, file], [*links[::-1], file], [links[0], file, links[1]]):
        assert applied(layer) == every
    through = [listed("bin", "symlink", link="usr/bin"), listed("b", "hardlink", link="bin/a")]
    assert applied([file], through) == {"usr/bin/a": b"a", "b": b"a"}
