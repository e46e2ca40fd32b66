"""Layers of two images are read and compared, whatever order and kinds their entries have."""

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from cogpack.comparing.files import Blob, ComparedTrees, Trees
from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.images.root_file_system import too_many
from cogpack.oci import Descriptor
from cogpack.progress import SILENT, Cancellation

Entry = tuple[str, bytes | str | int | None]
"""A path with contents, or where a symbolic link leads, or the mode of a directory; None: a whiteout."""


def tar(entries: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, what in entries:
            info = tarfile.TarInfo(path)
            data = what if isinstance(what, bytes) else b""
            if isinstance(what, str):
                info.type, info.linkname = tarfile.LNKTYPE if what.startswith("=") else tarfile.SYMTYPE, what.strip("=")
            elif isinstance(what, int):
                info.type, info.mode = tarfile.DIRTYPE, what
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Layers:
    """`Images` of layers alone; `read`: how often each was."""

    name = "layers"

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.read: list[str] = []

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        self.read.append(descriptor.digest)
        yield iter([self.blobs[descriptor.digest]])

    def of(self, *layers: Sequence[Entry]) -> list[Blob]:
        found = []
        for data in map(tar, layers):
            self.blobs[sha256(data)] = data
            found.append(Blob(self, Descriptor(media_type="tar", digest=sha256(data), size=len(data))))  # type: ignore[arg-type]
        return found


def compared(before: Sequence[Sequence[Entry]], after: Sequence[Sequence[Entry]]) -> ComparedTrees:
    layers = Layers()
    trees = Trees(SILENT, Cancellation(), too_many("images"), jobs=2)
    found = trees.compare(layers.of(*before), layers.of(*after))
    assert len(layers.read) == len(set(layers.read)), "a layer that both have is read once"
    return found


def statuses(before: Sequence[Sequence[Entry]], after: Sequence[Sequence[Entry]]) -> dict[str, str]:
    return {file.path: file.status for file in compared(before, after).files}


def test_a_whiteout_of_what_was_not_read_is_a_removal_and_its_absence_an_addition() -> None:
    whiteout = [[("etc/.wh.issue", None)]]
    assert statuses([[]], whiteout) == {"etc/issue": "removed"}
    assert statuses(whiteout, [[]]) == {"etc/issue": "added"}
    assert statuses(whiteout, whiteout) == {}
    assert statuses([[("etc/issue", b"1")]], whiteout) == {"etc/issue": "removed"}


def test_a_whiteout_is_for_what_is_below_wherever_it_stands_in_its_layer() -> None:
    below = [("d", 0o755), ("d/a", b"1"), ("d/b", b"2")]
    assert statuses([below], [below, [("d/c", b"3"), ("d/.wh..wh..opq", None)]]) == {
        "d/a": "removed",
        "d/b": "removed",
        "d/c": "added",
    }
    assert statuses([below], [below, [("d/a", b"1"), ("d/.wh.a", None)]]) == {}


def test_a_hard_link_is_the_file_that_it_names() -> None:
    assert statuses([[("a", b"1"), ("b", b"1")]], [[("a", b"1"), ("b", "=a")]]) == {}
    assert statuses([[("a", b"1"), ("b", b"1")]], [[("a", b"2"), ("b", "=a")]]) == {"a": "changed", "b": "changed"}


@pytest.mark.parametrize(
    ("before", "after"), [(b"1", b"2"), (b"1", "a"), ("a", "b"), (0o755, 0o700), (0o755, b"1"), ("a", 0o755)]
)
def test_contents_kinds_links_and_modes_count(before: bytes | str | int, after: bytes | str | int) -> None:
    assert statuses([[("x", before)]], [[("x", after)]]) == {"x": "changed"}


def test_a_directory_is_named_where_nothing_in_it_is() -> None:
    assert statuses([[]], [[("d", 0o755), ("d/e", 0o755), ("d/e/f", b"")]]) == {"d/e/f": "added"}
    assert statuses([[]], [[("d", 0o755)]]) == {"d": "added"}


def test_packages_of_images_without_dpkg_are_known_by_a_file_each() -> None:
    before = [[("var/lib/dpkg/status.d/a", b"Package: a\nVersion: 1\n")]]
    after = [*before, [("var/lib/dpkg/status.d/b", b"Package: b\nVersion: 2\n")]]
    assert compared(before, after).debian == ({"a": "1"}, {"a": "1", "b": "2"})
    assert compared(before, [*after, [("var/lib/dpkg/status.d/.wh.a", None)]]).debian[1] == {"b": "2"}
    assert compared([[]], [[("x", b"")]]).debian == (None, None)


def test_endless_lists_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [[(f"many/{number}", b"") for number in range(30)]]
    with monkeypatch.context() as patch:
        patch.setattr("cogpack.comparing.files._LIMIT", 10_000)
        with pytest.raises(InputError, match="images: their layers have so many files"):
            compared([[]], many)
