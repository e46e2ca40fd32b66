"""What is large lies in a tree of its own, and both together are what one tree would be."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.archives import archive, file
from support.wheels import make_wheel, wheel_file

from cogpack.cache import Kept
from cogpack.layers.content import Bytes
from cogpack.layers.entry import Entry, File, Symlink
from cogpack.layers.wheels.source import WheelsSource
from cogpack.layers.wheels.venv import SITE
from cogpack.progress import SILENT, Cancellation
from cogpack.running import root_tree
from cogpack.sandbox.trees.lay import Layer, Recipe, lay
from cogpack.sandbox.trees.store import StoredTree
from cogpack.seal import Seal
from cogpack.sizes import MiB

Trees = Callable[..., tuple[StoredTree, ...]]


class Files:
    """Is a source of some files; a text is the target of a link."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self.name = "files"
        self._files = files

    def key(self) -> str:
        return str(sorted(self._files.items()))

    def entries(self) -> Iterator[Entry]:
        for path, content in sorted(self._files.items()):
            yield Symlink(path, content) if isinstance(content, str) else File(path, Bytes(content))


def small(files: Mapping[str, bytes | str]) -> tuple[str, Layer]:
    source = Files({f"{SITE}/{name}": content for name, content in files.items()})
    return source.key(), Recipe(source, size=1)


def large_wheel(place: Path, name: str, files: Mapping[str, bytes]) -> tuple[str, Layer]:
    source = WheelsSource([wheel_file(make_wheel(place, name, files=dict(files)))])
    return source.key(), Recipe(source, size=50 * MiB)


@pytest.fixture
def large(tmp_path: Path) -> tuple[str, Layer]:
    return large_wheel(tmp_path, "torch", {"torch/lib.so": b"l", "torch/a.py": b"a"})


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[Trees]:
    kept = Kept(tmp_path / "cache")
    session: Any = SimpleNamespace(
        kept=kept,
        seal=Seal(b"k" * 32),
        progress=SILENT,
        cancellation=Cancellation(),
        settings=SimpleNamespace(jobs=1),
        supply=SimpleNamespace(wait=lambda _: None),
    )

    def get(layers: Sequence[tuple[str, Layer]], *, overlaid: bool = True) -> tuple[StoredTree, ...]:
        return root_tree.kept_trees(session, "model", tuple(layers), (), owned=False, overlaid=overlaid)

    yield get
    kept.close()


def shown(trees: Sequence[StoredTree]) -> dict[str, tuple[object, ...]]:
    """What an overlay of them shows."""
    paths = {path: one for tree in reversed(trees) for path, one in tree.laid.items()}
    return {path: (one.kind, one.mode, one.uid, one.digest, one.target) for path, one in paths.items()}


def whole(layers: Sequence[tuple[str, Layer]], place: Path) -> dict[str, tuple[object, ...]]:
    tree = lay(place, [layer for _, layer in layers], owned=False, readable=True)
    return shown([StoredTree(tree.root, dict(tree.laid), tree.owned)])


def test_a_large_wheel_is_laid_once_for_all_models_that_have_it(
    trees: Trees, large: tuple[str, Layer], tmp_path: Path
) -> None:
    first = [small({"base": b"1"}), large, small({"numpy/a": b"1", "torch/__pycache__/a": b"2"})]
    second = [small({"base": b"1"}), large, small({"numpy/a": b"2"})]
    above, below = trees(first)
    assert (below.root / SITE / "torch/lib.so").read_bytes() == b"l"
    assert not (above.root / SITE / "torch/lib.so").exists()
    assert shown([above, below]) == whole(first, tmp_path / "whole")
    other, same = trees(second)
    assert (same.root, other.root != above.root) == (below.root, True)
    assert shown([other, same]) == whole(second, tmp_path / "other")


def test_each_large_wheel_is_laid_once_for_all_models_that_have_it(
    trees: Trees, large: tuple[str, Layer], tmp_path: Path
) -> None:
    base = small({"base": b"1"})
    one = large_wheel(tmp_path, "pyarrow", {"pyarrow/a.so": b"1", "shared/__init__.py": b""})
    other = large_wheel(tmp_path, "xformers", {"xformers/a.so": b"1", "shared/__init__.py": b""})
    first, second = [base, large, one, other], [base, other, large]
    highest, _, _, torch = found = trees(first)
    assert shown(found) == whole(first, tmp_path / "first")
    again = trees(second)
    assert [tree.root for tree in again] == [highest.root, torch.root, found[1].root]
    assert shown(again) == whole(second, tmp_path / "second")


def test_large_wheels_that_disagree_lie_in_one_tree_but_where_a_layer_above_decides(
    trees: Trees, large: tuple[str, Layer], tmp_path: Path
) -> None:
    other = large_wheel(tmp_path, "other", {"torch/a.py": b"b"})
    (found,) = trees([large, other])
    assert (found.root / SITE / "torch/a.py").read_bytes() == b"b"
    layers = [large, other, small({"torch/a.py": b"clash"})]
    separate = trees(layers)
    assert len(separate) == 3
    assert shown(separate) == whole(layers, tmp_path / "whole")


def test_what_a_layer_above_has_in_place_of_a_file_of_it_is_seen(
    trees: Trees, large: tuple[str, Layer], tmp_path: Path
) -> None:
    layers = [large, small({"torch/a.py": b"clash"})]
    found = trees(layers)
    assert len(found) == 2
    assert shown(found) == whole(layers, tmp_path / "whole")


@pytest.mark.parametrize(
    "below", [{"torch/a.py": b"hidden"}, {"torch": "elsewhere", "elsewhere/x": b"x"}], ids=["a file", "a link"]
)
def test_all_lies_in_one_tree_where_an_overlay_would_show_something_else(
    trees: Trees, large: tuple[str, Layer], tmp_path: Path, below: dict[str, bytes | str]
) -> None:
    layers = [small(below), large, small({"numpy/a": b"1"})]
    (found,) = trees(layers)
    assert shown([found]) == whole(layers, tmp_path / "whole")


def test_all_lies_in_one_tree_where_commands_ran_above_it_or_nothing_is_overlaid(
    trees: Trees, large: tuple[str, Layer]
) -> None:
    removed = archive(file(f"{SITE}/torch/.wh.a.py", b""))
    (found,) = trees([large, ("sha256:1", removed)])
    assert not (found.root / SITE / "torch/a.py").exists()
    assert len(trees([large, small({"numpy/a": b"1"})], overlaid=False)) == 1
    assert len(trees([small({"numpy/a": b"1"})])) == 1
