"""Laid trees in the cache."""

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives import archive, directory, file, link, symlink

from cogpack.cache import Kept, foreign
from cogpack.cache.sweep import clean, items, prune
from cogpack.errors import InputError
from cogpack.sandbox.trees.ahead import Archive
from cogpack.sandbox.trees.laid import FORMAT, Laid, LaidTree, encode_laid
from cogpack.sandbox.trees.lay import lay
from cogpack.sandbox.trees.store import StoredTree, Trees
from cogpack.seal import Seal

LAYER = archive(
    directory("d", mode=0o500, uid=7),
    file("d/f", b"f" * 100_000, mode=0o4755, uid=33, mtime=5),
    link("l", "d/f", mode=0o4755, uid=33),
    file("shut", b"s", mode=0),
    file("small", b""),
    symlink("s", "d/f"),
)


class Cache:
    """One cache, and how often a tree was laid into it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.kept = Kept(place)
        self.seal = Seal(b"k" * 32)
        self.laid = 0

    def get(self, layer: Archive = LAYER, name: str = "sha256:1", seal: Seal | None = None) -> StoredTree:
        def make(place: Path) -> LaidTree:
            self.laid += 1
            return lay(place, [layer], owned=False, readable=True)

        return Trees(self.kept, seal or self.seal).get([name], owned=False, lay=make)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    cache = Cache(tmp_path / "cache")
    yield cache
    cache.kept.close()


def seen(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else b"",
        )
        for path in root.rglob("*")
    }


def test_a_tree_is_laid_once_for_a_list_of_layers(cache: Cache) -> None:
    first, second = cache.get(), cache.get()
    assert cache.laid == 1
    assert first.root == second.root
    assert list(first.laid) == list(second.laid)
    cache.get(name="sha256:2")
    assert cache.laid == 2


def test_a_copy_is_a_tree_of_its_own_like_the_one_that_was_laid(cache: Cache, tmp_path: Path) -> None:
    wanted = lay(tmp_path / "laid", [LAYER], owned=False)
    stored = cache.get()
    for name in ("one", "two"):
        copy = stored.copy(tmp_path / name, owned=False)
        assert seen(copy.root) == seen(wanted.root)
        assert [(path, one.uid, one.digest) for path, one in copy.laid.items()] == [
            (path, one.uid, one.digest) for path, one in stored.laid.items()
        ]
        assert (copy.root / "l").stat().st_ino == (copy.root / "d/f").stat().st_ino
        assert (copy.root / "d/f").stat().st_ino != (stored.root / "d/f").stat().st_ino
        assert int((copy.root / "d/f").stat().st_mtime) == 5
        assert copy.owners.of((copy.root / "l").stat()) == (33, 0)
        assert stat.S_IMODE((copy.root / "shut").stat().st_mode) == 0
        assert stat.S_IMODE((stored.root / "shut").stat().st_mode) == 0o400
        (copy.root / "d/f").write_bytes(b"other")
    assert (stored.root / "d/f").read_bytes() == b"f" * 100_000


@pytest.mark.parametrize("owned", [False, True])
def test_layers_over_a_copy_are_the_tree_that_all_of_them_make(cache: Cache, tmp_path: Path, owned: bool) -> None:
    if owned and os.geteuid() != 0:
        pytest.skip("root alone gives files away")
    above = archive(directory("d", mode=0o700), file("d/f", b"new"), file(".wh.small", b""), file("more", b"m", uid=5))
    wanted = lay(tmp_path / "laid", [LAYER, above], owned=owned)
    below = Trees(cache.kept, cache.seal).get(
        ["one"], owned=owned, lay=lambda new: lay(new, [LAYER], owned=owned, readable=True)
    )
    found = lay(tmp_path / "copied", [above], owned=owned, below=below.put)
    assert seen(found.root) == seen(wanted.root)
    assert encode_laid(found.laid) == encode_laid(wanted.laid)


def tampered(root: Path) -> None:
    status = (root / "small").stat()
    (root / "small").write_bytes(b"evil")
    os.truncate(root / "small", 0)
    os.utime(root / "small", ns=(status.st_atime_ns, status.st_mtime_ns))


def restored(root: Path) -> None:
    shutil.copytree(root, root.with_name("aside"), symlinks=True)
    shutil.rmtree(root)
    root.with_name("aside").rename(root)


@pytest.mark.parametrize(
    "change",
    [tampered, restored, lambda root: (root / "new").touch(), lambda root: (root.parent / "record").write_bytes(b"no")],
)
def test_what_was_not_left_as_it_was_laid_is_laid_anew(cache: Cache, change) -> None:  # type: ignore[no-untyped-def]
    stored = cache.get()
    wanted = set(seen(stored.root))
    change(stored.root)
    assert set(seen(cache.get().root)) == wanted
    assert cache.laid == 2
    cache.get()
    assert cache.laid == 2
    assert [path.name for path in (cache.place / "trees").iterdir()] == [stored.root.parent.name]


def test_another_users_tree_does_not_count(cache: Cache) -> None:
    cache.get()
    cache.get(seal=Seal(b"o" * 32))
    assert cache.laid == 2


def test_a_tree_of_another_format_is_left_alone(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cache.get()
    with monkeypatch.context() as patch:
        patch.setattr("cogpack.sandbox.trees.store.FORMAT", 1)
        assert cache.get().root != first.root
    assert cache.get().root == first.root
    assert cache.laid == 2


def test_who_changes_how_a_record_is_written_raises_its_number() -> None:
    one = Laid(kind="file", mode=0o644, uid=1, gid=2, size=3, mtime=4, digest=b"d", target="t", capability=b"c")
    written = encode_laid({"a": one, "b": one, "c\udcff": Laid(kind="directory", mode=0o755)})
    assert (FORMAT, hashlib.sha256(written).hexdigest()[:16]) == (2, "43b5ad7f7c54752a")


def test_what_can_not_be_laid_leaves_nothing(cache: Cache) -> None:
    with pytest.raises(InputError):
        cache.get(archive(file("a"), file("a/b")))
    assert list((cache.place / "trees").iterdir()) == []


def test_nobody_else_may_enter_a_tree(cache: Cache) -> None:
    assert stat.S_IMODE(cache.get().root.parent.stat().st_mode) == 0o700


def test_of_two_who_lay_one_tree_the_first_counts(cache: Cache) -> None:
    def make(place: Path) -> LaidTree:
        cache.get()
        return lay(place, [LAYER], owned=False, readable=True)

    stored = Trees(cache.kept, cache.seal).get(["sha256:1"], owned=False, lay=make)
    assert cache.get().root == stored.root
    assert cache.laid == 1
    assert len(list((cache.place / "trees").iterdir())) == 1


def test_the_caches_own_rules_clean_trees(cache: Cache) -> None:
    late = archive(file("a", b"x" * 1000, mtime=2**33), link("b", "a"))
    stored = cache.get(late)
    assert foreign(cache.place) == []
    (found,) = [item for item in items(cache.place) if item.kind == "laid images"]
    assert (found.name, found.files) == (f"trees/{stored.root.parent.name}", 3)
    assert 1000 < found.size < 2000
    unfinished = cache.place / "trees/.cogpack-0123456789abcdef"
    unfinished.mkdir()
    (unfinished / "x").write_text("x")
    assert prune(cache.place, days=30, limit=None, now=time.time() + 90 * 86400).removed == 0, "a run may want it"
    cache.kept.close()
    prune(cache.place, days=30, limit=None, now=time.time())
    assert stored.root.is_dir()
    assert not unfinished.exists()
    prune(cache.place, days=30, limit=None, now=time.time() + 90 * 86400)
    assert not stored.root.exists()
    assert not (cache.place / "trees").exists()


def test_all_of_it_goes_with_the_rest(cache: Cache) -> None:
    cache.get()
    cache.kept.close()
    assert clean(cache.place).left == 0
    assert not (cache.place / "trees").exists()
