"""Layers of others, unpacked: all codecs and all their members, and no bomb goes off."""

import gzip
import itertools
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cogpack.decompress import decompressed
from cogpack.errors import InputError
from cogpack.layers.compression import Zstd

MiB = 1024 * 1024
TEXT = random.Random(1).randbytes(300_000)


def unpacked(data: bytes, size: int = 1000) -> bytes:
    return b"".join(decompressed(data[at : at + size] for at in range(0, len(data), size)))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=3000), min_size=1, max_size=8),
    codec=st.sampled_from(["none", "gzip", "zstd"]),
    size=st.integers(1, 5000),
)
def test_members_one_after_another_are_one_stream(pieces: list[bytes], codec: str, size: int) -> None:
    """P16."""
    pack = {"none": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[codec]
    packed = b"".join(pack(piece) for piece in pieces)
    if codec == "none" and packed[:2] == b"\x1f\x8b":
        return
    assert unpacked(packed, size) == b"".join(pieces)


def test_a_skippable_frame_says_nothing() -> None:
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
    assert unpacked(skipped + zstandard.ZstdCompressor().compress(TEXT)) == TEXT


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_stream_that_ends_early_is_an_error(pack: object, cut: int) -> None:
    packed: bytes = pack(TEXT)  # type: ignore[operator]
    with pytest.raises(InputError, match="it ends early"):
        unpacked(packed[:-cut])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
def test_a_wrong_checksum_is_an_error(pack: object) -> None:
    packed = bytearray(pack(TEXT))  # type: ignore[operator]
    packed[-3] ^= 1
    with pytest.raises(InputError, match="can't be unpacked"):
        unpacked(bytes(packed))


def bomb_of_gzip() -> Iterator[bytes]:
    """Zeros: a tar of one empty sparse file. It would go on for ever."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MiB)
    while True:
        if packed := packer.compress(zeros):
            yield packed


def bomb_of_zstd(*, frames: bool) -> Iterator[bytes]:
    """`frames`: each one small, and without end."""
    packer = zstandard.ZstdCompressor(level=19)
    if frames:
        frame = packer.compress(bytes(MiB))
        while True:
            yield frame
    stream = packer.compressobj()
    while True:
        if packed := stream.compress(bytes(MiB)) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK):
            yield packed


@pytest.mark.slow
@pytest.mark.parametrize("bomb", [bomb_of_gzip, lambda: bomb_of_zstd(frames=True), lambda: bomb_of_zstd(frames=False)])
def test_a_bomb_is_ended_early_and_in_little_memory(bomb: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """P16: a thousand bytes of one, beyond a bound, are not a layer."""
    monkeypatch.setattr("cogpack.decompress._BOMB", 64 * MiB)
    sizes = map(len, decompressed(bomb()))  # type: ignore[operator]
    totals = itertools.accumulate(sizes)
    tracemalloc.start()
    with pytest.raises(InputError, match="make more than"):
        assert all(size < 128 * MiB for size in totals)
    assert tracemalloc.get_traced_memory()[1] < 32 * MiB
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_layer_of_zeros_as_a_swap_file_is_none(pack: object) -> None:
    packed = pack(bytes(100 * MiB))  # type: ignore[operator]
    assert sum(map(len, decompressed([packed[at : at + 1024] for at in range(0, len(packed), 1024)]))) == 100 * MiB


@pytest.mark.slow
def test_weights_of_zeros_that_we_pack_are_read_back() -> None:
    """55 kB make 1.5 GiB."""
    packed = Zstd().compress(bytes(Zstd.piece))
    assert Zstd.piece > 10_000 * len(packed)
    assert sum(map(len, decompressed(itertools.repeat(packed, 384)))) == 384 * Zstd.piece == 1536 * MiB


def frame(window: int) -> bytes:
    """A zstd frame without content size, its window of 2^`window` bytes, its one block of no byte (RFC 8878 3.1.1)."""
    return b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(window - 10) << 3]) + b"\x01\x00\x00"


@pytest.mark.parametrize("window", [28, 31, 41])
def test_a_window_of_gigabytes_is_refused(window: int) -> None:
    """P16."""
    assert unpacked(frame(27)) == b""
    with pytest.raises(InputError, match=r"zstd layer can't be unpacked"):
        unpacked(frame(window))


def test_a_window_of_gigabytes_is_refused_by_a_limit_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """P16: the library's own, which is the same today, is not what it is refused by."""
    monkeypatch.setattr("cogpack.decompress._ZSTD_WINDOW_LOG", 20)
    assert unpacked(frame(20)) == b""
    with pytest.raises(InputError, match=r"zstd layer can't be unpacked"):
        unpacked(frame(21))


def test_a_window_of_gigabytes_is_refused_before_it_is_allocated() -> None:
    """P16: the address space of a process that is given one hardly grows."""
    program = (
        "import sys\n"
        "from cogpack.decompress import decompressed\n"
        "from cogpack.errors import InputError\n"
        "def peak(): return next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmPeak:'))\n"
        "before = peak()\n"
        "try: print(list(decompressed([bytes.fromhex(sys.argv[1])])))\n"
        "except InputError: print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, frame(31).hex()], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32 * 1024  # KiB
