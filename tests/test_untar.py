"""Tars of others, read: no header is believed that could name another place or allocate by its word."""

import io
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogpack.errors import InputError
from cogpack.untar import Member, Untar

MiB = 1024 * 1024


def header(
    name: bytes = b"file",
    flag: bytes = b"0",
    size: bytes = b"00000000000",
    *,
    mode: bytes = b"0000644",
    link: bytes = b"",
) -> bytes:
    """512 bytes with a right checksum."""
    fields = name.ljust(100, b"\0") + mode + b"\0" + b"0000000\0" * 2 + size.ljust(12, b"\0") + b"00000000000\0"
    block = (fields + b" " * 8 + flag + link.ljust(100, b"\0") + b"ustar\x0000").ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def base256(number: int) -> bytes:
    return (
        (number & ((1 << 96) - 1) | (1 << 95)).to_bytes(12, "big")
        if number >= 0
        else number.to_bytes(12, "big", signed=True)
    )


def pax(**records: str) -> bytes:
    data = b""
    for key, value in records.items():
        text = f" {key.replace('__', '.')}={value}\n".encode()
        size = len(text) + len(str(len(text) + len(str(len(text)))))
        data += str(size).encode() + text
    return header(b"pax", b"x", b"%011o" % len(data)) + data + bytes(-len(data) % 512)


def read(*blocks: bytes) -> list[Member]:
    return list(Untar([*blocks, bytes(1024)], where="here"))


def refused(*blocks: bytes) -> str:
    with pytest.raises(InputError, match="here: not a sound layer") as caught:
        read(*blocks)
    return caught.value.message


@pytest.mark.parametrize("name", [b"../x", b"a/../../x", b"a/..", b"..", b"a/../b", b"./../x"])
def test_a_path_that_leaves_is_refused(name: bytes) -> None:
    """P18: in each of the three places where a name can stand."""
    refused(header(name))
    refused(pax(path=name.decode()), header(b"fine"))
    refused(header(b"L", b"L", b"%011o" % (len(name) + 1)) + (name + b"\0").ljust(512, b"\0"), header(b"fine"))


@pytest.mark.parametrize(
    ("name", "path"),
    [(b"/etc/x", "etc/x"), (b"//x", "x"), (b"./x", "x"), (b"x/", "x"), (b"./", ""), (b"/", ""), (b"a//b/./c", "a/b/c")],
)
def test_every_path_is_relative_to_the_root(name: bytes, path: str) -> None:
    """P18, P20: there is no prefix to compare."""
    assert [member.path for member in read(header(name))] == [path]


def test_a_nul_in_a_name_or_a_link_is_refused() -> None:
    """P18."""
    refused(pax(path="a\0/../x"), header())
    refused(pax(linkpath="a\0b"), header(flag=b"2"))


def test_names_of_64_kib_are_names_and_larger_headers_are_refused() -> None:
    """P18: long names, a bomb of them, and headers that say they are huge."""
    name = "a/" * 32_000
    assert read(pax(path=name), header())[0].path == name.rstrip("/")
    refused(pax(path="a" * (2 * MiB)), header())
    refused(*[pax(path="a" * 60_000) for _ in range(20)], header())
    refused(
        *[header(b"L", b"L", b"%011o" % 60_000) + (b"a" * 60_000).ljust(60_416, b"\0") for _ in range(20)], header()
    )
    tracemalloc.start()
    for flag in (b"x", b"L", b"K", b"g"):
        refused(header(b"pax", flag, b"77777777777"))
        refused(header(b"pax", flag, base256(2**63)))
    assert tracemalloc.get_traced_memory()[1] < 8 * MiB
    tracemalloc.stop()


@pytest.mark.parametrize("size", [base256(-1), base256(-(2**63)), b"-0000000001", b"0000000000x"])
def test_sizes_that_no_file_has_are_refused(size: bytes) -> None:
    """P21."""
    refused(header(size=size))
    refused(header(b"x", b"x", size))


@pytest.mark.parametrize("text", ["-1", "1e3", "0x10", "", "9" * 30])
def test_sizes_in_pax_records_are_numbers(text: str) -> None:
    """P21: an empty value takes the record back."""
    if text:
        refused(pax(size=text), header())
    else:
        assert read(pax(size=text), header())[0].size == 0


def test_an_extended_header_is_for_one_entry_alone() -> None:
    named = pax(path="other", size="3", SCHILY__xattr__user__x="y")
    first, second = read(named, header(), b"abc".ljust(512, b"\0"), header(b"plain"))
    assert (first.path, first.size, first.xattrs) == ("other", 3, (("user.x", b"y"),))
    assert (second.path, second.size, second.xattrs) == ("plain", 0, ())


def test_what_stands_behind_the_end_is_read_too() -> None:
    """Whoever hashes the blocks on their way must see all of them."""
    blocks = iter([header(), bytes(1024), bytes(9 * 1024), b"more"])
    assert len(list(Untar(blocks, where="here"))) == 1
    assert list(blocks) == []


def test_a_size_of_eight_exbibytes_allocates_nothing() -> None:
    """P21: it is read to its end, which comes too soon."""
    tracemalloc.start()
    assert "ends in the middle" in refused(header(size=base256(2**63)), b"x" * 4096)
    assert tracemalloc.get_traced_memory()[1] < 4 * MiB
    tracemalloc.stop()


def test_sparse_files_are_refused() -> None:
    """P21: old GNU's and PAX's, of all three versions; their maps can lie."""
    refused(header(flag=b"S"))
    refused(pax(GNU__sparse__size="9", GNU__sparse__numblocks="1"), header())
    refused(pax(GNU__sparse__map="0,3", GNU__sparse__name="a"), header())
    refused(pax(GNU__sparse__major="1", GNU__sparse__minor="0"), header())


@pytest.mark.parametrize(("flag", "kind"), [(b"3", "device"), (b"4", "device"), (b"6", "fifo"), (b"1", "hardlink")])
def test_what_is_no_file_is_told_apart_and_has_no_content(flag: bytes, kind: str) -> None:
    """P21: whatever its size says."""
    member = read(header(flag=flag, size=b"00000001000"))[0]
    assert (member.kind, member.size) == (kind, 0)


def test_a_wrong_checksum_is_refused() -> None:
    block = bytearray(header())
    block[0] ^= 1
    assert "checksum" in refused(bytes(block))


def test_the_same_path_twice_comes_twice_and_names_differ_by_case_and_dots() -> None:
    """P23: the last one counts to whoever unpacks; nothing is folded."""
    assert [member.path for member in read(header(b"a"), header(b"A"), header(b"a."), header(b"a"))] == [
        "a",
        "A",
        "a.",
        "a",
    ]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=3000), flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6))
def test_any_bytes_are_members_or_one_error(data: bytes, flips: list[tuple[int, int]]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("d/" + "n" * 150)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    damaged = bytearray(stream.getvalue())
    for place, value in flips:
        damaged[place % len(damaged)] = value
    try:
        reader = Untar([bytes(damaged)], where="here")
        for member in reader:
            assert ".." not in member.path.split("/")
            assert not member.path.startswith("/")
            assert sum(len(block) for block in reader.content()) == member.size
    except InputError:
        return
