"""The zip of a wheel: read strictly, and the same bytes come out that went in."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.archive import ZipMember, read_members
from cogpack.layers.wheels.zipped import ZipContent

NAMES = st.text("abcXYZ._-é日", min_size=1, max_size=8).filter(lambda name: not name.startswith(".") and name != "..")
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
DATA = st.one_of(st.binary(max_size=400), st.integers(0, 70_000).map(lambda size: b"ab" * size))


class Unseekable(io.BytesIO):
    """Makes zipfile write sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation


def contents(path: Path) -> dict[str, bytes]:
    found = {}
    for member in read_members(LocalFile.of(path), where="x.whl"):
        with ZipContent(LocalFile.of(path), "x.whl", member).open() as stream:
            found[member.name] = stream.read()
    return found


def fault(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        contents(path)
    assert caught.value.message.startswith("x.whl: ")
    assert caught.value.next_step
    return caught.value.message


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zips") / "x.whl"


@given(
    files=st.dictionaries(PATHS, DATA, max_size=6),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    sizes_behind=st.booleans(),
    zip64=st.booleans(),
    comment=st.binary(max_size=40),
)
def test_what_zipfile_writes_is_read_back(
    place: Path, files: dict[str, bytes], method: int, sizes_behind: bool, zip64: bool, comment: bytes
) -> None:
    buffer = Unseekable() if sizes_behind else io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(data)
        archive.comment = comment.replace(b"PK", b"")
    place.write_bytes(buffer.getvalue())
    assert contents(place) == files
    assert [member.name for member in read_members(LocalFile.of(place), where="x.whl")] == list(files)


@given(data=DATA, step=st.integers(1, 100_000))
def test_content_is_the_same_in_pieces_of_any_size_and_as_often_as_asked(place: Path, data: bytes, step: int) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", data)
    (member,) = read_members(LocalFile.of(place), where="x.whl")
    content = ZipContent(LocalFile.of(place), "x.whl", member)
    for _ in range(2):
        with content.open() as stream:
            assert b"".join(iter(lambda: stream.read(step), b"")) == data
    raw = content.deflated()
    assert raw is not None
    with raw.open() as stream:
        assert zlib.decompress(stream.read(), -zlib.MAX_WBITS) == data
    assert raw.crc32 == zlib.crc32(data)


@pytest.mark.slow
@settings(max_examples=300)
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=3))
def test_a_damaged_archive_is_refused_or_gives_its_own_bytes(
    place: Path, cut: float, flips: list[tuple[float, int]]
) -> None:
    original = {"pkg/a.py": b"x = 1\n" * 200, "pkg/b.bin": bytes(range(256)), "c": b""}
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in original.items():
            archive.writestr(name, data)
    raw = bytearray(place.read_bytes())
    for position, change in flips:
        raw[min(int(position * len(raw)), len(raw) - 1)] ^= change
    place.write_bytes(raw[: int(cut * len(raw))] if cut < 0.5 and not flips else raw)
    try:
        found = contents(place)
    except InputError:
        return
    assert all(data in original.values() for data in found.values())


def entry(archive: zipfile.ZipFile, name: str, data: bytes = b"data", mode: int = 0o100644) -> None:
    info = zipfile.ZipInfo(name)
    info.filename = name  # zipfile would have cleaned it
    info.external_attr = mode << 16
    archive.writestr(info, data)


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "a\\..\\b", "a\nb", "a\x7f", "a/.wh.b", ".wh..wh..opq"],
)
def test_a_path_that_is_not_plain_is_refused(place: Path, name: str) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, name)
    assert repr(name)[:20] in fault(place)


@pytest.mark.parametrize("mode", [0o010644, 0o020644, 0o060644, 0o140644, 0o040755])
def test_what_is_no_regular_file_is_refused(place: Path, mode: int) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, "link", b"/etc/passwd", mode)
    assert "'link' is no regular file" in fault(place)


def test_a_name_twice_with_other_bytes_is_refused(place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, "a.py", b"good")
        with pytest.warns(UserWarning, match="Duplicate name"):
            entry(archive, "a.py", b"evil")
    assert "'a.py' is in it twice" in fault(place)


def test_a_name_twice_with_the_same_bytes_is_one_file_as_with_pip_and_uv(place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, "a.py", b"same")
        with pytest.warns(UserWarning, match="Duplicate name"):
            entry(archive, "a.py", b"same")
    (member,) = read_members(LocalFile.of(place), where="a")
    assert (member.name, member.size) == ("a.py", 4)


def test_directories_are_passed_over(place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, "pkg/", b"", 0o040755)
        entry(archive, "pkg/a.py")
    assert contents(place) == {"pkg/a.py": b"data"}


def patched(place: Path, *changes: tuple[bytes, int, str, int]) -> None:
    """Overwrite fields: (signature of the record, offset in it, struct format, value), in its first occurrence."""
    raw = bytearray(place.read_bytes())
    for signature, offset, form, value in changes:
        struct.pack_into(form, raw, raw.index(signature) + offset, value)
    place.write_bytes(raw)


@pytest.fixture
def simple(place: Path) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        entry(archive, "stored", b"s" * 100)
        archive.writestr("deflated", b"d" * 5000)
    return place


CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([(CENTRAL, 8, "<H", 1)], "encrypted"),
        ([(CENTRAL, 10, "<H", 12)], "compression method 12"),
        ([(CENTRAL, 10, "<H", 8), (LOCAL, 8, "<H", 8)], "does not unpack"),
        ([(CENTRAL, 24, "<L", 99)], "stored, but with two sizes"),
        ([(CENTRAL, 24, "<L", 2**31)], "would unpack to more than"),
        ([(CENTRAL, 20, "<L", 10**6), (CENTRAL, 24, "<L", 10**6)], "local header contradicts"),
        ([(CENTRAL, 16, "<L", 1), (LOCAL, 14, "<L", 1)], "does not unpack to the size and CRC-32"),
        ([(CENTRAL, 34, "<H", 1)], "one part of several"),
        ([(CENTRAL, 42, "<L", 5)], "local header contradicts"),
        ([(LOCAL, 26, "<H", 5)], "local header contradicts"),
        ([(END, 10, "<H", 9)], "one part of several"),
        ([(END, 8, "<H", 9), (END, 10, "<H", 9)], "announces 9 members, there are 2"),
        ([(END, 16, "<L", 3)], "not where the end record says"),
        ([(END, 12, "<L", 3)], "not where the end record says"),
        ([(END, 20, "<H", 3)], "no zip archive"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(
    simple: Path, changes: list[tuple[bytes, int, str, int]], message: str
) -> None:
    patched(simple, *changes)
    assert message in fault(simple)


@pytest.mark.parametrize("size", [4999, 5001])
def test_a_size_that_is_not_true_is_noticed_on_reading(place: Path, size: int) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"d" * 5000)
    patched(place, (CENTRAL, 24, "<L", size), (LOCAL, 22, "<L", size))
    assert "does not unpack" in fault(place)


def test_overlapping_members_are_refused(place: Path) -> None:
    """A "better zip bomb": many names for one stream."""
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"d" * 5000)
    raw = place.read_bytes()
    start = raw.index(CENTRAL)
    end = raw.index(END)
    record = raw[start:end]
    other = record.replace(b"a", b"b")
    tail = bytearray(raw[end:])
    struct.pack_into("<2HL", tail, 8, 2, 2, 2 * len(record))
    place.write_bytes(raw[:start] + record + other + tail)
    message = fault(place)
    assert "local header contradicts" in message or "share their bytes" in message


def test_a_member_inside_another_is_refused(place: Path) -> None:
    """The second one's header lies in the stored bytes of the first."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        entry(archive, "inner", b"i" * 10)
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, "outer", inner.getvalue())
    raw = place.read_bytes()
    start = raw.rindex(CENTRAL)
    record = bytearray(inner.getvalue()[inner.getvalue().index(CENTRAL) : inner.getvalue().index(END)])
    struct.pack_into("<L", record, 42, raw.index(LOCAL, 4))
    tail = bytearray(raw[raw.rindex(END) :])
    struct.pack_into("<2HL", tail, 8, 2, 2, len(raw[start : raw.rindex(END)]) + len(record))
    place.write_bytes(raw[: raw.rindex(END)] + record + tail)
    assert "'outer' overlaps another member" in fault(place)


@pytest.mark.slow
def test_a_bomb_is_refused_before_it_is_unpacked(place: Path) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(200 * 1024 * 1024))
    with pytest.raises(InputError, match="would unpack to more than"):
        read_members(LocalFile.of(place), where="x.whl")


@pytest.mark.parametrize("behind", [b"\n", bytes(10), b"PK\5\6", b"x" * 60_000])
@pytest.mark.parametrize("comment", [b"", b"said"])
def test_what_follows_an_archive_is_passed_over_as_by_pip_and_uv(place: Path, comment: bytes, behind: bytes) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        entry(archive, "pkg/a.py", b"x = 1\n")
        archive.comment = comment
    place.write_bytes(place.read_bytes() + behind)
    assert [one.name for one in read_members(LocalFile.of(place), where="x.whl")] == ["pkg/a.py"]


def test_what_is_no_zip_is_refused(place: Path) -> None:
    for data in (b"", b"PK", b"PK\5\6", b"<html>" * 1000, bytes(100_000)):
        place.write_bytes(data)
        assert "no zip archive" in fault(place)


@pytest.mark.slow
def test_many_members_take_little_time(place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        for number in range(20_000):
            entry(archive, f"pkg/{number}.py", b"")
    found = read_members(LocalFile.of(place), where="x.whl")
    assert len(found) == 20_000
    assert isinstance(found[0], ZipMember)
