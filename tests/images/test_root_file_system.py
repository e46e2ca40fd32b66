"""What a container sees of layers that lie on each other."""

from hypothesis import given
from hypothesis import strategies as st

from cogpack.images.root_file_system import RootFileSystem, too_many

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from(["file", "directory", "whiteout", "opaque"])


@given(st.lists(st.tuples(PATHS, KINDS), max_size=30))
def test_whiteouts_and_files_hide_what_is_below_them_and_no_more(steps: list[tuple[str, str]]) -> None:
    tree: RootFileSystem[str] = RootFileSystem(too_many("test"))
    left: dict[str, str] = {}
    for path, kind in steps:
        parent, _, name = path.rpartition("/")
        written = {"whiteout": f"{parent}/.wh.{name}".lstrip("/"), "opaque": f"{path}/.wh..wh..opq"}.get(kind, path)
        assert tree.apply(written, kind, directory=kind == "directory") == (written == path)
        if kind != "directory":
            left = {other: what for other, what in left.items() if not other.startswith(f"{path}/")}
        if kind == "whiteout":
            left.pop(path, None)
        elif written == path:
            left[path] = kind
    assert tree.entries == left
    assert not tree.hidden & left.keys()


def test_a_whiteout_of_what_no_layer_has_is_remembered_until_it_is_there() -> None:
    tree: RootFileSystem[str] = RootFileSystem(too_many("test"))
    tree.apply("there", "file", directory=False)
    for path in ("a/.wh.b", ".wh.there", ".wh.never"):
        tree.apply(path, "", directory=False)
    assert tree.hidden == {"a/b", "never"}
    tree.apply("a/b", "file", directory=False)
    assert tree.hidden == {"never"}
