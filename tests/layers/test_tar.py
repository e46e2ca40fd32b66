"""Tar bytes, against the POSIX field table, the standard library's writer and its reader."""

import hashlib
import io
import tarfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import Endless, chunked, tar_bytes, trees

from cogpack.errors import InputError, MismatchError
from cogpack.layers import tar
from cogpack.layers.content import Bytes, Content
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, complete
from cogpack.layers.tar import EPOCH
from cogpack.sizes import BLOCK

EIGHT_GIB = 8 * 1024**3


def fields(block: bytes) -> dict[str, bytes]:
    """POSIX.1-1988, "ustar Interchange Format": (name, length) in order."""
    layout = [
        ("name", 100),
        ("mode", 8),
        ("uid", 8),
        ("gid", 8),
        ("size", 12),
        ("mtime", 12),
        ("chksum", 8),
        ("typeflag", 1),
        ("linkname", 100),
        ("magic", 6),
        ("version", 2),
        ("uname", 32),
        ("gname", 32),
        ("devmajor", 8),
        ("devminor", 8),
        ("prefix", 155),
        ("pad", 12),
    ]
    assert len(block) == 512
    found, start = {}, 0
    for name, length in layout:
        found[name] = block[start : start + length]
        start += length
    assert start == 512
    return found


def by_stdlib(header: bytes, info: tarfile.TarInfo) -> bytes:
    """What tarfile writes for `info`, but with the device numbers that POSIX wants and tarfile leaves empty."""
    info.mtime = EPOCH
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[329:345] = b"0000000\x000000000\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert len(block) == len(header)
    return bytes(block)


def info(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    made.uid = made.gid = 0
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def test_the_epoch_is_the_second_day_of_1980() -> None:
    assert datetime(1980, 1, 2, tzinfo=UTC).timestamp() == EPOCH


def test_a_plain_file_in_every_field() -> None:
    block = tar.header("usr/bin/env", b"0", mode=0o4755, uid=7, gid=8, size=513)
    found = fields(block)
    assert found.pop("chksum") == b"%06o\0 " % (sum(block) - sum(block[148:156]) + 8 * 0x20)
    assert found == {
        "name": b"usr/bin/env".ljust(100, b"\0"),
        "mode": b"0004755\0",
        "uid": b"0000007\0",
        "gid": b"0000010\0",
        "size": b"00000001001\0",
        "mtime": b"02263773600\0",
        "typeflag": b"0",
        "linkname": bytes(100),
        "magic": b"ustar\0",
        "version": b"00",
        "uname": bytes(32),
        "gname": bytes(32),
        "devmajor": b"0000000\0",
        "devminor": b"0000000\0",
        "prefix": bytes(155),
        "pad": bytes(12),
    }


LONG = "d" * 60
CASES: list[tuple[Entry, tarfile.TarInfo]] = [
    (File("a", Bytes(b"xyz")), info("a", mode=0o644, size=3)),
    (File("a" * 100, Bytes(b""), 0o755, 1000, 100), info("a" * 100, mode=0o755, uid=1000, gid=100)),
    (File("a", Bytes(b""), uid=8**7 - 1), info("a", mode=0o644, uid=8**7 - 1)),
    (File("a", Endless(8 * 1024**3 - 1)), info("a", mode=0o644, size=8 * 1024**3 - 1)),
    (Directory("opt/venv"), info("opt/venv", tarfile.DIRTYPE, mode=0o755)),
    (Directory("tmp", 0o1777), info("tmp", tarfile.DIRTYPE, mode=0o1777)),
    (Symlink("bin", "usr/bin", 3, 4), info("bin", tarfile.SYMTYPE, mode=0o777, linkname="usr/bin", uid=3, gid=4)),
    (Symlink("a", "t" * 100), info("a", tarfile.SYMTYPE, mode=0o777, linkname="t" * 100)),
    (HardLink("b", "a"), info("b", tarfile.LNKTYPE, mode=0o644, linkname="a")),
    (File(f"{LONG}/{LONG}", Bytes(b"")), info(f"{LONG}/{LONG}", mode=0o644)),
    (File(f"{'p' * 155}/{'n' * 100}", Bytes(b"")), info(f"{'p' * 155}/{'n' * 100}", mode=0o644)),
    (File(f"{LONG}/{LONG}/{LONG}", Bytes(b"")), info(f"{LONG}/{LONG}/{LONG}", mode=0o644)),
    (Directory(f"{LONG}/{LONG}"), info(f"{LONG}/{LONG}", tarfile.DIRTYPE, mode=0o755)),
]


@pytest.mark.parametrize(("entry", "expected"), CASES, ids=lambda case: str(getattr(case, "path", ""))[:20])
def test_what_fits_ustar_is_what_the_standard_library_writes(entry: Entry, expected: tarfile.TarInfo) -> None:
    header = next(iter(tar.segments([entry])))
    assert isinstance(header, bytes)
    assert header == by_stdlib(header, expected)


def test_a_long_path_is_split_at_the_last_slash_that_fits() -> None:
    found = fields(tar.header(f"{LONG}/{LONG}/{LONG}", b"0", mode=0o644))
    assert found["prefix"].rstrip(b"\0").decode() == f"{LONG}/{LONG}"
    assert found["name"].rstrip(b"\0").decode() == LONG


@pytest.mark.parametrize("path", ["n" * 101, f"{'p' * 156}/n", f"p/{'n' * 101}", "é", f"{LONG}/{LONG}é"])
def test_a_path_that_ustar_cannot_hold_goes_into_one_pax_record(path: str) -> None:
    block = tar.header(path, b"0", mode=0o644)
    assert len(block) == 3 * 512
    extended = fields(block[:512])
    text = block[512:1024].rstrip(b"\0")
    length, _, rest = text.partition(b" ")
    assert int(length) == len(text)
    assert rest == b"path=" + path.encode() + b"\n"
    assert extended["typeflag"] == b"x"
    assert extended["name"].rstrip(b"\0") == b"PaxHeaders/entry"
    assert int(extended["size"][:11], 8) == len(text)
    assert fields(block[1024:])["name"] == path.encode()[-100:].ljust(100, b"\0")


def test_all_that_ustar_has_no_room_for_in_golden_bytes() -> None:
    block = tar.header(
        "é",
        b"0",
        mode=0o644,
        uid=3_000_000,
        gid=2**31,
        size=EIGHT_GIB,
        xattrs=(("user.b", b"\0\n="), ("security.capability", b"\x01\x02")),
    )
    records = (
        b"11 path=\xc3\xa9\n"
        b"19 size=8589934592\n"
        b"15 uid=3000000\n"
        b"18 gid=2147483648\n"
        b"39 SCHILY.xattr.security.capability=\x01\x02\n"
        b"27 SCHILY.xattr.user.b=\0\n=\n"
    )
    assert block[512:1024] == records.ljust(512, b"\0")
    found = fields(block[1024:])
    assert found["uid"] == found["gid"] == b"7777777\0"
    assert found["size"] == b"77777777777\0"


def test_long_and_foreign_link_targets_are_pax_records() -> None:
    for target in ("t" * 101, "é"):
        block = tar.header("a", b"2", mode=0o777, link=target)
        assert block[512:1024].rstrip(b"\0").endswith(b" linkpath=" + target.encode() + b"\n")
        with tarfile.open(fileobj=io.BytesIO(block + bytes(1024))) as archive:
            assert archive.getmembers()[0].linkname == target


@pytest.mark.parametrize("size", [80, 87, 88, 89, 90, 91, 92, 93, 94, 985, 986, 987, 988, 989, 990, 991, 992, 993])
def test_a_pax_length_counts_its_own_digits(size: int) -> None:
    block = tar.header("a", b"0", mode=0o644, xattrs=(("k", b"v" * size),))
    end = block.index(b"\n", 512) + 1
    length, _, _ = block[512:end].partition(b" ")
    assert int(length) == end - 512


@pytest.mark.parametrize("numbers", [{"uid": -1}, {"gid": -5}])
def test_negative_owners_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"^/a: .id -"):
        tar.header("a", b"0", mode=0o644, **numbers)


def test_a_small_layer_in_golden_bytes() -> None:
    """Put together here by hand from the standard library's headers."""
    entries = complete(
        [
            File("usr/bin/hi", Bytes(b"#!/bin/sh\n"), 0o755),
            Symlink("bin", "usr/bin"),
            HardLink("usr/hi", "usr/bin/hi", 0o755),
        ],
        {},
    )
    expected = b""
    for made, data in [
        (info("bin", tarfile.SYMTYPE, mode=0o777, linkname="usr/bin"), b""),
        (info("usr", tarfile.DIRTYPE, mode=0o755), b""),
        (info("usr/bin", tarfile.DIRTYPE, mode=0o755), b""),
        (info("usr/bin/hi", mode=0o755, size=10), b"#!/bin/sh\n" + bytes(502)),
        (info("usr/hi", tarfile.LNKTYPE, mode=0o755, linkname="usr/bin/hi"), b""),
    ]:
        expected += by_stdlib(bytes(512), made) + data
    assert tar_bytes(entries) == expected + bytes(1024)
    digest = hashlib.sha256(expected + bytes(1024)).hexdigest()
    assert digest == ("0ac2521d0a8cbcd5622489b14f8ee46632a0ef89426b6c0257cf9e9092c08ab2")


@pytest.mark.slow
@given(trees())
def test_the_standard_library_reads_back_every_tree(tree: list[Entry]) -> None:
    data = tar_bytes(tree)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [entry.path for entry in tree]
        for member, entry in zip(members, tree, strict=True):
            assert (member.mtime, member.uname, member.gname) == (EPOCH, "", "")
            assert (member.uid, member.gid) == (entry.uid, entry.gid)
            match entry:
                case File():
                    assert member.isreg()
                    assert member.mode == entry.mode
                    stream = archive.extractfile(member)
                    assert stream is not None
                    assert stream.read() == entry.content.open().read()
                    for key, value in entry.xattrs:
                        stored = member.pax_headers[f"SCHILY.xattr.{key}"]
                        assert stored.encode("utf-8", "surrogateescape") == value
                case Directory():
                    assert member.isdir()
                    assert member.mode == entry.mode
                case Symlink():
                    assert member.issym()
                    assert member.linkname == entry.target
                case HardLink():
                    assert member.islnk()
                    assert member.mode == entry.mode
                    assert member.linkname == entry.target


@given(trees())
def test_the_size_is_known_before_a_byte_is_read(tree: list[Entry]) -> None:
    assert tar.size(tar.segments(tree)) == len(tar_bytes(tree))


def test_the_size_of_a_huge_layer_costs_nothing() -> None:
    size = 2**50 + 1
    assert tar.size(tar.segments([File("a", Endless(size))])) == 3 * 512 + 2**50 + 512 + 1024


@pytest.mark.slow
@given(trees(), st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_joined_blocks_are_the_segments(tree: list[Entry], sizes: list[int]) -> None:
    data = tar_bytes(tree)
    assert b"".join(tar.blocks(tar.segments(tree))) == data
    assert b"".join(tar.blocks(chunked(data, sizes))) == data


def test_blocks_are_neither_tiny_nor_huge() -> None:
    many = [File(f"{number:06}", Bytes(b"x" * 100)) for number in range(5000)]
    lengths = [len(block) for block in tar.blocks(tar.segments([*many, File("z", Endless(5 * BLOCK))]))]
    assert sum(lengths) == 5000 * 1024 + 512 + 5 * BLOCK + 1024
    assert max(lengths) <= 2 * BLOCK
    assert len(lengths) < 15


class Lying(Endless):
    """Says another size than it has."""

    def __init__(self, said: int, real: int) -> None:
        super().__init__(said)
        object.__setattr__(self, "_real", real)

    def open(self) -> io.BytesIO:  # type: ignore[override]
        return io.BytesIO(bytes(self._real))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("said", "real", "word"), [(10, 9, "fewer"), (10, 11, "more"), (10, 0, "fewer")])
def test_content_that_is_not_as_long_as_it_said_is_a_mismatch(said: int, real: int, word: str) -> None:
    content: Content = Lying(said, real)
    with pytest.raises(MismatchError, match=f"holds {word} bytes"):
        b"".join(tar.read(content))
