"""The gzip members that are written by hand, against RFC 1951's tables and zlib."""

import gzip
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cogpack.layers import deflate, tar
from cogpack.sizes import BLOCK

HEADER = bytes.fromhex("1f8b08000000000000ff")


def packed(bits: str) -> bytes:
    """RFC 1951 3.1.1: bits fill bytes from the least significant one; spaces are for the eye."""
    text = bits.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return bytes(int(text[start : start + 8][::-1], 2) for start in range(0, len(text), 8))


LAST_FIXED = "1 10"  # BFINAL, then BTYPE 01, its low bit first
END = "0000000"
A = "10010001"  # 0x30 + 0x61, most significant bit first
DISTANCE_1 = "00000"


@pytest.mark.parametrize(
    ("data", "bits"),
    [
        (b"", END),
        (b"a", A + END),
        (b"aaa", A * 3 + END),
        (b"aaaa", A + "0000001" + DISTANCE_1 + END),  # 257: length 3
        (b"a" * 11, A + "0001000" + DISTANCE_1 + END),  # 264: 10
        (b"a" * 12, A + "0001001" + "0" + DISTANCE_1 + END),  # 265, extra 0: 11
        (b"a" * 13, A + "0001001" + "1" + DISTANCE_1 + END),  # 265, extra 1: 12
        (b"a" * 35, A + "0010000" + "11" + DISTANCE_1 + END),  # 272, extra 3: 34
        (b"a" * 116, A + "11000000" + "0000" + DISTANCE_1 + END),  # 280, extra 0: 115
        (b"a" * 258, A + "11000100" + "01111" + DISTANCE_1 + END),  # 284, extra 30, low bit first: 257
        (b"a" * 259, A + "11000100" + "01111" + DISTANCE_1 + A + END),
        (b"\x8f\x90\xff", "10111111" + "110010000" + "111111111" + END),  # where eight bits become nine
    ],
)
def test_a_member_is_the_fixed_code_of_the_specification(data: bytes, bits: str) -> None:
    trailer = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
    assert deflate.member(data) == HEADER + packed(LAST_FIXED + bits) + trailer


def test_the_member_of_a_tar_header_in_golden_bytes() -> None:
    block = tar.header("a", b"0", mode=0o644, size=3)
    member = deflate.member(block)
    assert gzip.decompress(member) == block
    assert (
        member.hex()
        == "1f8b08000000000000ff4b64a03d30000233131306030860308000060338306630303232333637373633306030303037"
        "313065503060a003282d2e492c62303060a010184000830104300c110000d7f46ac400020000"
    )


@pytest.mark.parametrize("byte", [0, 0x61, 0x8F, 0x90, 0xFF])
def test_runs_of_every_length_unpack(byte: int) -> None:
    for length in range(800):
        data = bytes([byte]) * length + b"!"
        assert gzip.decompress(deflate.member(data)) == data


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 300)), max_size=40))
@example([])
def test_a_member_unpacks_to_its_data(runs: list[tuple[int, int]]) -> None:
    data = b"".join(bytes([byte]) * length for byte, length in runs)
    member = deflate.member(data)
    assert gzip.decompress(member) == data
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert unpacker.decompress(member) == data
    assert (unpacker.eof, unpacker.unused_data) == (True, b"")


@given(st.binary(max_size=600), st.lists(st.binary(max_size=300), max_size=5))
def test_a_stored_member_unpacks_to_what_came_before_and_the_blocks(before: bytes, blocks: list[bytes]) -> None:
    seen: list[bytes] = []
    member = b"".join(deflate.stored_member(before, blocks, seen.append))
    assert gzip.decompress(member) == before + b"".join(blocks)
    assert b"".join(seen) == b"".join(blocks)


def test_a_stored_member_of_large_blocks_adds_five_bytes_each_64_kib() -> None:
    data = bytes(range(256)) * (BLOCK // 256)
    member = b"".join(deflate.stored_member(b"", [data, data], lambda block: None))
    assert gzip.decompress(member) == data * 2
    assert len(member) < len(data) * 2 * (1 + 6 / 0xFFFF) + 64


def test_the_trailer_counts_modulo_four_gib() -> None:
    assert deflate.trailer(0x01020304, 2**32 + 5) == b"\x04\x03\x02\x01\x05\0\0\0"
