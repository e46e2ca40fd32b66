"""Files that are as they were are not looked up one by one, and a layer of them has the key that it had."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import an_hour_later

from cogpack.errors import MismatchError
from cogpack.file_stat import Stat
from cogpack.layers import listed as listed_files
from cogpack.layers import tar
from cogpack.layers.content import LocalFile
from cogpack.layers.entry import complete, ordered
from cogpack.layers.files import LEAST, FilesSource, Placed, generated
from cogpack.layers.fingerprints import SMALL, Fingerprints
from cogpack.layers.layer import LayerSource
from cogpack.layers.listed import ListedFiles
from cogpack.project import find_project
from cogpack.seal import Seal

SEAL = Seal()


def listed(root: Path, prints: Fingerprints, schema: bytes = b"{}") -> ListedFiles:
    files = find_project(root).files()
    made = [generated("src/.cog/schema.json", schema)]
    return ListedFiles(prints, str(root), "project", files.digest(schema), files, "src", made)


def plainly(root: Path, prints: Fingerprints, schema: bytes = b"{}") -> FilesSource:
    """The same layer, file by file."""
    files = find_project(root).files()
    placed = [
        Placed(f"src/{one.path}", prints.of(root / one.path), one.executable) for one in files if one.kind == "file"
    ]
    return FilesSource(
        "project",
        [*placed, generated("src/.cog/schema.json", schema)],
        directories=["src", *(f"src/{one.path}" for one in files if one.kind == "directory")],
        symlinks=[(f"src/{one.path}", one.target or "") for one in files if one.kind == "symlink"],
    )


def blocks(source: LayerSource) -> bytes:
    return b"".join(tar.blocks(tar.segments(ordered(source.entries(), {}))))


def tar_size(source: LayerSource) -> int:
    return tar.size(tar.segments(ordered(source.entries(), {})))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "cog.yaml").touch()
    for name in ("a", "b", "data/c"):
        (root / name).write_text(name)
    return root


def prints(root: Path, **options: object) -> Fingerprints:
    return Fingerprints(root.parent / "store", SEAL, **{"clock": an_hour_later, **options})  # type: ignore[arg-type]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read, by name, in order."""
    found: list[str] = []
    whole, at_once = LocalFile.whole, listed_files._read_as_listed

    def watched(file: LocalFile) -> bytes:
        found.append(Path(file.path).name)
        return whole(file)

    def watched_at_once(path: str, stat: Stat, size: int) -> bytes | None:
        found.append(Path(path).name)
        return at_once(path, stat, size)

    monkeypatch.setattr(LocalFile, "whole", watched)
    monkeypatch.setattr("cogpack.layers.listed._read_as_listed", watched_at_once)
    return found


def key(root: Path, **options: object) -> str | None:
    known = prints(root, **options)
    found = listed(root, known).key()
    known.save()
    return found


def test_what_has_not_changed_is_not_looked_up(root: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = key(root)
    assert sorted(read) == ["a", "b", "c"]
    read.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Fingerprints, "hashes", lambda *_: pytest.fail("files are looked up"))
        assert (key(root), read) == (first, [])
    assert (key(root, trusting=False), sorted(read)) == (first, ["a", "b", "c"])


@pytest.mark.parametrize("change", ["write", "add", "remove", "move", "chmod", "touch"])
def test_what_has_changed_is(root: Path, read: list[str], change: str) -> None:
    first = key(root)
    read.clear()
    match change:
        case "write":
            (root / "a").write_text("A")
        case "add":
            (root / "d").write_text("d")
        case "remove":
            (root / "a").unlink()
        case "move":
            (root / "a").rename(root / "z")
        case "touch":
            os.utime(root / "a", ns=(1, 1))
        case _:
            (root / "a").chmod(0o755)
    found = key(root)
    assert read == {"write": ["a"], "add": ["d"], "remove": [], "move": ["z"]}.get(change, ["a"])
    assert found == plainly(root, Fingerprints(root.parent / "other")).key()
    assert (found == first) == (change == "touch")


def test_files_that_nobody_has_read_are_read_once_for_key_and_layer(root: Path, read: list[str]) -> None:
    source = listed(root, prints(root))
    assert source.unread()
    made = blocks(source)
    assert not source.unread()
    assert source.key()
    assert sorted(read) == ["a", "b", "c"]
    assert made == blocks(plainly(root, Fingerprints(root.parent / "other")))


def test_few_that_nobody_has_read_are_read_for_the_key(root: Path) -> None:
    key(root)
    (root / "a").write_text("A")
    assert not listed(root, prints(root)).unread()


def test_a_file_that_was_written_since_it_was_listed_is_taken_as_it_is_now(root: Path) -> None:
    source = listed(root, prints(root))
    (root / "b").write_text("b and more")
    assert b"b and more" in blocks(source)
    assert source.key() == plainly(root, Fingerprints(root.parent / "other")).key()


@pytest.mark.parametrize("size", [7, LEAST])
def test_the_key_of_other_files_is_not_remembered_as_that_of_the_listed_ones(root: Path, size: int) -> None:
    """A directory that is renamed leaves the statuses of its files alone."""
    (root / "data/c").write_bytes(bytes(size))
    (root.parent / "other").mkdir()
    (root.parent / "other/c").write_bytes(b"x" * size)

    def swap() -> None:
        (root / "data").rename(root.parent / "aside")
        (root.parent / "other").rename(root / "data")
        (root.parent / "aside").rename(root.parent / "other")

    known = prints(root)
    source = listed(root, known)
    swap()
    of_others = source.key()
    known.save()
    swap()
    found = key(root)
    assert found == plainly(root, Fingerprints(root.parent / "store of none")).key()
    assert found != of_others


def test_a_file_that_grew_since_it_was_listed_is_stored_once_as_well(root: Path) -> None:
    for name in ("x", "y"):
        (root / name).write_bytes(bytes(LEAST))
    source = listed(root, prints(root))
    (root / "b").write_bytes(bytes(LEAST))
    plain = plainly(root, Fingerprints(root.parent / "store of none"))
    assert (source.key(), blocks(source)) == (plain.key(), blocks(plain))


@pytest.mark.parametrize("names", [["-"], ["z"], ["-", "-copy", "z"]])
def test_a_schema_that_is_a_file_of_the_project_is_stored_once(root: Path, names: list[str]) -> None:
    schema = bytes(LEAST)
    for name in names:
        (root / name).write_bytes(schema)
    source = listed(root, prints(root), schema)
    plain = plainly(root, Fingerprints(root.parent / "other"), schema)
    assert (blocks(source), source.key()) == (blocks(plain), plain.key())


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_any_more_is_an_error(root: Path, make: Callable[[Path], None]) -> None:
    """A pipe has no bytes, and on some file systems a directory has none either: both passed for an empty file."""
    source = listed(root, prints(root))
    (root / "data/c").unlink()
    make(root / "data/c")
    with pytest.raises(MismatchError, match="data/c: was there a moment ago, now: no regular file"):
        source.key()


@pytest.mark.parametrize("make", [blocks, ListedFiles.key, tar_size], ids=["pass", "key", "size"])
def test_a_link_that_took_the_place_of_a_directory_brings_no_file_from_outside(
    root: Path, make: Callable[[ListedFiles], object]
) -> None:
    source = listed(root, prints(root))
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "c").write_text("outside")
    (root / "data").rename(root.parent / "away")
    (root / "data").symlink_to(outside)
    with pytest.raises(MismatchError, match="data/c: changed while it was read"):
        make(source)


@pytest.mark.parametrize("size", [7, SMALL, SMALL + 1, LEAST - 1])
@pytest.mark.parametrize("name", ["b", "middle"])
def test_what_changed_before_the_size_was_asked_is_in_it_and_what_changes_behind_that_is_an_error(
    root: Path, name: str, size: int
) -> None:
    (root / "middle").write_bytes(bytes(SMALL + 1))
    source = listed(root, prints(root))
    (root / name).write_bytes(b"x" * size)
    counted = tar_size(source)
    assert len(blocks(source)) == counted
    source = listed(root, prints(root))
    tar_size(source)
    (root / name).write_bytes(b"x" * (size + 5000))
    with pytest.raises(MismatchError, match=f"/{name}: changed while it was read"):
        blocks(source)


def test_a_file_that_came_back_since_its_size_was_asked_is_an_error(root: Path) -> None:
    """A directory that is renamed leaves the statuses of its files alone."""
    source = listed(root, prints(root))
    (root / "data").rename(root.parent / "aside")
    (root / "data").mkdir()
    (root / "data/c").write_text("other")
    tar_size(source)
    (root / "data").rename(root.parent / "other")
    (root.parent / "aside").rename(root / "data")
    with pytest.raises(MismatchError, match="data/c: changed while it was read"):
        blocks(source)


def test_the_key_of_a_file_that_was_counted_is_that_of_what_was_counted(root: Path) -> None:
    source = listed(root, prints(root))
    tar_size(source)
    (root / "b").write_text("b and more")
    with pytest.raises(MismatchError, match="/b: changed while it was read"):
        source.key()


@pytest.mark.parametrize("name", ["b", "middle"])
@pytest.mark.parametrize("make", [blocks, tar_size], ids=["pass", "size"])
def test_a_file_that_grew_large_since_it_was_listed_is_an_error_of_the_pass_or_count_that_meets_it(
    root: Path, make: Callable[[ListedFiles], object], name: str
) -> None:
    """It might have been stored once, had that been known when the pass began."""
    (root / "middle").write_bytes(bytes(SMALL + 1))
    source = listed(root, prints(root))
    (root / name).write_bytes(bytes(LEAST))
    with pytest.raises(MismatchError, match=f"/{name}: changed while it was read"):
        make(source)
    with pytest.raises(MismatchError, match=f"/{name}: changed while it was read"):
        source.key()


@pytest.mark.parametrize("size", [7, SMALL + 1, LEAST - 1])
@pytest.mark.parametrize("make", [blocks, tar_size], ids=["pass", "size"])
def test_no_key_has_two_layers_where_a_file_grew_to_be_one_of_the_large(
    root: Path, make: Callable[[ListedFiles], object], size: int
) -> None:
    """There are links in either layer, so either has the key of one with links: `grown` would be one in one alone."""
    for name in ("one", "other"):
        (root / name).write_bytes(b"o" * LEAST)
    (root / "big").write_bytes(b"b" * LEAST)
    (root / "grown").write_bytes(b"g" * size)
    source, later = listed(root, prints(root)), listed(root, prints(root))
    (root / "grown").write_bytes(b"b" * LEAST)
    with pytest.raises(MismatchError, match="/grown: changed while it was read"):
        make(source)
    plain = plainly(root, Fingerprints(root.parent / "store of none"))
    assert (later.key(), blocks(later)) == (plain.key(), blocks(plain))


@pytest.mark.parametrize("size", [0, 7, SMALL + 1, LEAST - 1])
def test_a_large_file_that_shrank_since_it_was_listed_is_taken_as_it_is_now(root: Path, size: int) -> None:
    for name in ("one", "other", "shrunk"):
        (root / name).write_bytes(b"o" * LEAST)
    source = listed(root, prints(root))
    (root / "shrunk").write_bytes(b"o" * size)
    plain = plainly(root, Fingerprints(root.parent / "store of none"))
    assert (blocks(source), source.key()) == (blocks(plain), plain.key())
    assert tar_size(source) == len(blocks(plain))


def test_what_a_pass_takes_as_it_is_now_the_next_has_again_and_the_listing_s_key_is_not_learnt(root: Path) -> None:
    known = prints(root)
    source = listed(root, known)
    (root / "b").write_bytes(b"b" * 70_000)
    first = blocks(source)
    assert first.count(b"b") >= 70_000
    assert blocks(source) == first
    assert tar.size(tar.segments(ordered(source.entries(), {}))) == len(first)
    assert source.key() == plainly(root, Fingerprints(root.parent / "other")).key()
    known.save()
    (root / "b").write_text("b")
    assert key(root) == plainly(root, Fingerprints(root.parent / "third")).key()


@pytest.mark.parametrize("known", [(), range(700), range(0, 700, 3)])
def test_many_small_files_are_the_layer_that_they_are_one_by_one(root: Path, known: Sequence[int]) -> None:
    def write(number: int) -> None:
        (root / f"data/{number:04} {'é' if number % 50 == 0 else ''}").write_bytes(b"%d" % number * (number % 700))

    for number in known:
        write(number)
    key(root)
    for number in range(700):
        write(number)
    source, plain = listed(root, prints(root)), plainly(root, Fingerprints(root.parent / "other"))
    segments = list(tar.segments(ordered(source.entries(), {})))
    assert len(segments) < (700 if known else 60)
    assert (blocks(source), source.key()) == (blocks(plain), plain.key())
    assert tar.size(segments) == len(blocks(source))


def test_a_file_that_changes_between_two_passes_is_an_error(root: Path) -> None:
    source = listed(root, prints(root))
    blocks(source)
    (root / "b").write_text("b and more")
    with pytest.raises(MismatchError, match="changed while it was read"):
        blocks(source)


@given(data=st.data())
def test_any_tree_is_the_layer_that_it_is_file_by_file_and_after_any_change(data: st.DataObject) -> None:
    names = st.sampled_from(["-", "a", "b.py", "a-b", "a.b", "é", "Z", "z" * 120, "zz.py"])
    schema = data.draw(st.sampled_from([b"{}", bytes(LEAST)]))
    contents = st.just(schema) | st.sampled_from(
        [b"", b"x", b"print()", bytes(LEAST), bytes(LEAST - 1) + b"1", bytes(70_000)]
    )

    def write(root: Path, path: Path) -> None:
        place = root / path
        above = [root / one for one in path.parents]
        if place.is_dir() or any(one.is_file() or one.is_symlink() for one in above):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        if data.draw(st.integers(0, 9)) == 0:
            place.symlink_to("nowhere")
            return
        place.write_bytes(data.draw(contents))
        place.chmod(data.draw(st.sampled_from([0o644, 0o755])))

    paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: Path(*parts))
    with TemporaryDirectory() as directory:
        root = Path(directory) / "project"
        root.mkdir()
        (root / "cog.yaml").touch()
        for change in data.draw(st.lists(st.lists(paths, max_size=6), min_size=1, max_size=4)):
            for path in change:
                if data.draw(st.booleans()):
                    write(root, path)
                elif (root / path).is_file() and not (root / path).is_symlink():
                    (root / path).unlink()
            known = prints(root)
            source, plain = listed(root, known, schema), plainly(root, Fingerprints(root.parent / "other"), schema)
            if data.draw(st.booleans()):
                assert source.key() == plain.key()
            made = blocks(source)
            assert made == blocks(plain)
            assert len(made) == tar.size(tar.segments(ordered(source.entries(), {})))
            assert made == b"".join(tar.blocks(tar.segments(complete(source.entries(), {}))))
            assert source.key() == plain.key()
            known.save()


def test_of_a_young_file_no_key_and_no_hash_is_remembered(root: Path, read: list[str]) -> None:
    known = Fingerprints(root.parent / "store", SEAL)
    first = listed(root, known).key()
    known.save()
    read.clear()
    assert (key(root), sorted(read)) == (first, ["a", "b", "c"])


def test_another_user_s_word_does_not_count(root: Path, read: list[str]) -> None:
    key(root)
    read.clear()
    listed(root, Fingerprints(root.parent / "store", Seal(), clock=an_hour_later)).key()
    assert sorted(read) == ["a", "b", "c"]


def test_what_is_remembered_of_files_stays_where_none_was_looked_up(root: Path, read: list[str]) -> None:
    key(root)
    known = prints(root)
    assert listed(root, known).key()
    assert known.remember(LocalFile.of(root / "a"), "size", lambda: "1") == "1"
    known.save()
    (root / "d").write_text("d")
    read.clear()
    assert (key(root) is not None, read) == (True, ["d"])


def test_a_file_that_is_gone_is_forgotten_with_the_next_listing(root: Path, read: list[str]) -> None:
    key(root)
    (root / "b").rename(root.parent / "b")
    key(root)
    (root.parent / "b").rename(root / "b")
    read.clear()
    assert (key(root) is not None, read) == (True, ["b"])
