"""Files of one layer that are equal are stored once, by their bytes and modes alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from blake3 import blake3

from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.entry import Entry, File, HardLink
from cogpack.layers.files import LEAST, FilesSource, Placed, drain, equals, generated, read_equal
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints

BIG = bytes(range(256)) * (LEAST // 256)
OTHER = BIG[:-1] + b"?"


@pytest.fixture
def fingerprints(tmp_path: Path) -> Fingerprints:
    return Fingerprints(tmp_path / "store")


def placed(fingerprints: Fingerprints, path: Path, data: bytes, *, executable: bool = False) -> Placed:
    path.write_bytes(data)
    return Placed(f"src/{path.name}", fingerprints.when_read(LocalFile.of(path)), executable)


def entries(files: Sequence[Placed]) -> list[Entry]:
    return sorted(FilesSource("x", files).entries(), key=lambda entry: entry.path)


def shape(files: Sequence[Placed]) -> dict[str, str | None]:
    """By path, the target of what is a hard link."""
    return {entry.path: entry.target if isinstance(entry, HardLink) else None for entry in entries(files)}


def test_equal_files_are_hard_links_to_the_first_by_path(tmp_path: Path, fingerprints: Fingerprints) -> None:
    files = [placed(fingerprints, tmp_path / name, BIG) for name in ("c", "a", "b")]
    assert shape(files) == {"src/a": None, "src/b": "src/a", "src/c": "src/a"}


def test_files_that_are_links_here_and_files_that_are_not_make_one_layer(tmp_path: Path) -> None:
    keys = []
    for number, linked in enumerate((True, False)):
        fingerprints, root = Fingerprints(tmp_path / f"store{number}"), tmp_path / str(number)
        root.mkdir()
        (root / "a").write_bytes(BIG)
        if linked:
            (root / "b").hardlink_to(root / "a")
        else:
            (root / "b").write_bytes(BIG)
        files = [Placed(f"src/{name}", fingerprints.when_read(LocalFile.of(root / name))) for name in "ab"]
        source = FilesSource("x", files)
        list(source.entries())
        keys.append(source.key())
    assert keys[0] == keys[1] is not None


def test_a_layer_with_links_has_a_key_of_its_own_and_one_without_has_that_of_version_1() -> None:
    same = [generated(f"src/{name}", BIG) for name in "ab"]
    assert FilesSource("x", same).key() == "0799ec4320c92608d4220be1d1a7909bac3fed8cb3c60dcc27417b527ff23450"
    other = FilesSource("x", [same[0], generated("src/b", OTHER)])
    assert other.key() == "05816d112e7cc62c20fec08190943d89d4e1c52d4dbbc0475227e7a3b9ab309e"


def test_small_files_other_modes_and_other_bytes_are_files_of_their_own(
    tmp_path: Path, fingerprints: Fingerprints
) -> None:
    small = [placed(fingerprints, tmp_path / name, BIG[:-1]) for name in ("s", "t")]
    modes = [placed(fingerprints, tmp_path / name, BIG, executable=name == "x") for name in ("x", "y")]
    other = placed(fingerprints, tmp_path / "z", OTHER)
    assert set(shape([*small, *modes, other]).values()) == {None}
    both = [*modes, placed(fingerprints, tmp_path / "w", BIG, executable=True)]
    links = [entry for entry in entries(both) if isinstance(entry, HardLink)]
    assert links == [HardLink("src/x", "src/w", mode=0o755)]


def test_what_differs_in_a_few_blocks_is_not_read_for_it(tmp_path: Path, fingerprints: Fingerprints) -> None:
    read: list[str] = []
    files = [placed(fingerprints, tmp_path / str(n), bytes([n]) * (2 * LEAST)) for n in range(4)]
    files += [placed(fingerprints, tmp_path / "end", bytes(2 * LEAST - 1) + b"x")]
    files += [placed(fingerprints, tmp_path / "size", bytes(2 * LEAST + 1))]
    read_equal(files, lambda file: read.append(file.path))
    assert read == []
    files += [placed(fingerprints, tmp_path / name, b"\1" * (2 * LEAST)) for name in ("p", "q")]
    read_equal(files, lambda file: read.append(file.path))
    assert sorted(read) == ["src/1", "src/p", "src/q"]


def test_what_the_blocks_miss_is_found_by_reading(tmp_path: Path, fingerprints: Fingerprints) -> None:
    middle = bytearray(2 * LEAST)
    middle[LEAST // 2 + 9] = 1
    files = [
        placed(fingerprints, tmp_path / "a", bytes(2 * LEAST)),
        placed(fingerprints, tmp_path / "b", bytes(middle)),
    ]
    assert files[0].content.sample() == files[1].content.sample()  # type: ignore[attr-defined]
    read_equal(files, drain)
    assert equals(files) == {}
    assert set(shape(files).values()) == {None}


def test_a_cut_out_of_a_file_can_equal_another_file(tmp_path: Path, fingerprints: Fingerprints) -> None:
    (tmp_path / "large").write_bytes(b"before" + BIG[5:] + b"after")
    slices = Slices(LocalFile.of(tmp_path / "large"), ((6, len(BIG) - 5),), BIG[:5])
    files = [Placed("src/cut", fingerprints.when_read(slices)), placed(fingerprints, tmp_path / "whole", BIG)]
    assert shape(files) == {"src/cut": None, "src/whole": "src/cut"}


class Elsewhere:
    """Contents of the size of `BIG` that are not on this machine."""

    size = len(BIG)

    def open(self) -> BinaryIO:
        raise AssertionError("fetched")


def test_of_equal_files_that_lie_elsewhere_one_is_fetched_and_none_where_one_is_here(
    tmp_path: Path, fingerprints: Fingerprints
) -> None:
    away = [Placed(f"src/{name}", Fingerprinted(Elsewhere(), "sha256:aa")) for name in "ab"]
    here = placed(fingerprints, tmp_path / "c", BIG)
    assert shape([*away, here]) == {"src/a": None, "src/b": "src/a", "src/c": None}
    known = Placed("src/a", Fingerprinted(Elsewhere(), blake3(BIG).hexdigest()))
    first, second = entries([known, here])
    assert isinstance(first, File)
    assert first.content is here.content
    assert second == HardLink("src/c", "src/a")


def test_entries_are_the_same_before_and_after_the_first_reading(tmp_path: Path, fingerprints: Fingerprints) -> None:
    files = [placed(fingerprints, tmp_path / name, data) for name, data in {"a": BIG, "b": OTHER, "c": BIG}.items()]
    source = FilesSource("x", files)
    first = list(source.entries())
    for entry in first:
        if isinstance(entry, File):
            with entry.content.open() as stream:
                while stream.read(LEAST):
                    pass
    assert list(source.entries()) == first
    assert source.key() is not None
