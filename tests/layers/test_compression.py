"""Codecs: what they store unpacks to the tar, is the same everywhere, and is never taken from a damaged stream."""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support.trees import Deflated, Endless, chunked, tar_bytes, trees

from cogpack import zstd
from cogpack.decompress import decompressed
from cogpack.digest import Hasher, sha256
from cogpack.errors import InputError, MismatchError
from cogpack.layers import compression, tar
from cogpack.layers.compression import Codec, Gzip, SplicedGzip, Uncompressed, Zstd
from cogpack.layers.content import Bytes, Spliceable
from cogpack.layers.entry import Entry, File, complete
from cogpack.sizes import BLOCK

pytestmark = pytest.mark.slow

CODECS: list[Codec] = [Uncompressed(), SplicedGzip(), Gzip(), Zstd()]
GZIPS: list[Codec] = [SplicedGzip(), Gzip()]


def by_profile(codec: Codec) -> str:
    return codec.profile


def encoded(codec: Codec, segments: Iterable[tar.Segment]) -> bytes:
    return b"".join(codec.encode(segments, Hasher()))


def large_tree() -> list[Entry]:
    """Some megabytes: several pieces for every codec, with contents that compress and that don't."""
    noise = hashlib.shake_128(b"noise").digest(3 * BLOCK + 17)
    return complete(
        [
            File("a/empty", Bytes(b"")),
            File("a/noise", Bytes(noise)),
            File("b/text", Deflated(b"the same words " * 200_000)),
            File("b/zeros", Endless(5 * BLOCK)),
            File("c/stored", Deflated(noise[:BLOCK], level=0)),
        ],
        {},
    )


@pytest.mark.parametrize("codec", CODECS, ids=by_profile)
@given(tree=trees(), sizes=st.lists(st.integers(0, 900), min_size=1, max_size=4))
def test_stored_bytes_unpack_to_the_plain_tar(codec: Codec, tree: list[Entry], sizes: list[int]) -> None:
    plain = tar_bytes(tree)
    hasher = Hasher()
    stored = b"".join(codec.encode(tar.segments(tree), hasher))
    assert (hasher.digest, hasher.size) == (sha256(plain), len(plain))
    assert b"".join(decompressed([stored])) == plain
    assert b"".join(decompressed(chunked(stored, sizes))) == plain


@pytest.mark.parametrize("codec", GZIPS, ids=by_profile)
@given(tree=trees())
def test_gzip_is_gzip_to_the_standard_library(codec: Codec, tree: list[Entry]) -> None:
    assert gzip.decompress(encoded(codec, tar.segments(tree))) == tar_bytes(tree)


@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip program here")
@pytest.mark.parametrize("codec", GZIPS, ids=by_profile)
def test_gzip_tests_it_without_a_word(codec: Codec) -> None:
    result = subprocess.run(["gzip", "-t"], input=encoded(codec, tar.segments(large_tree())), capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")


@given(trees())
def test_every_zstd_frame_says_its_size(tree: list[Entry]) -> None:
    stored, total = encoded(Zstd(), tar.segments(tree)), 0
    while stored:
        total += zstandard.get_frame_parameters(stored).content_size
        frame = zstandard.ZstdDecompressor().decompressobj()
        frame.decompress(stored)
        stored = frame.unused_data
    assert total == len(tar_bytes(tree))


@pytest.mark.parametrize("codec", CODECS, ids=by_profile)
def test_several_megabytes_unpack_too(codec: Codec) -> None:
    tree = large_tree()
    plain = tar_bytes(tree)
    stored = encoded(codec, tar.segments(tree))
    assert b"".join(decompressed([stored])) == plain
    assert b"".join(decompressed(chunked(stored, [65_537]))) == plain


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS, ids=by_profile)
def test_the_bytes_do_not_depend_on_the_number_of_cores(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    made = set()
    for cores in (1, 2, 16, None):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        made.add(encoded(codec, tar.segments(large_tree())))
    assert len(made) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Gzip, Zstd], ids=["gzip", "zstd"])
def test_passes_beside_each_other_share_one_measure_of_memory(
    kind: type[Gzip | Zstd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many layers are on their way: a piece for each, and one for each core."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(compression, "_spare", threading.Semaphore(4))
    codec = kind()
    begun: list[int] = []
    real = codec.compress
    monkeypatch.setattr(codec, "compress", lambda piece: begun.append(len(piece)) or real(piece))
    pieces = [bytes(codec.piece)] * 20
    passes = [codec.encode(pieces, Hasher()) for _ in range(10)]
    taken = [next(encoding) for encoding in passes]
    assert len(begun) <= len(taken) + 10 + 4
    rest = [b"".join(encoding) for encoding in passes]
    assert len({first + more for first, more in zip(taken, rest, strict=True)}) == 1
    for abandoned in [codec.encode(pieces, Hasher()) for _ in range(3)]:
        next(abandoned)
        abandoned.close()
    assert all(compression._spare.acquire(blocking=False) for _ in range(4)), "a pass kept what it had taken"


@pytest.mark.parametrize("codec", [Gzip(), Zstd()], ids=by_profile)
@given(sizes=st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=3))
def test_framed_bytes_do_not_depend_on_how_the_tar_arrives(codec: Codec, sizes: list[int]) -> None:
    plain = b"some words, " * (3 * BLOCK // 12)
    assert sha256(encoded(codec, chunked(plain, [min(size + 4096, len(plain)) for size in sizes]))) == sha256(
        encoded(codec, [plain])
    )


@pytest.mark.parametrize(
    ("codec", "digest"),
    [
        (Uncompressed(), "225dcd2d6af7187cd17331cbb2dc107819b2fa9411deb70d57aa38ba4d349454"),
        (SplicedGzip(), "9b93a7ef9d0c41601d787f49acb64b91f43520168c6408bee3b723c20a3b34e0"),
        (Gzip(), "c80b4d5bd08ad38421ab70c146131da619e0bb37818e565a7fe7fbd61e694778"),
        (Zstd(), "581fd424ec72d8dbb4efb970ab9e3ceea14ea5f36aa7a18049957e78c0c0d883"),
    ],
    ids=lambda value: getattr(value, "profile", ""),
)
def test_the_bytes_of_a_profile_never_change(codec: Codec, digest: str) -> None:
    """Where this fails, the profile needs a new name: layers that were pushed have the old bytes."""
    stream = bytes.fromhex("2bca2c48d55148cecf2d284a2d2e4e4d512849ad280100")  # zlib's, of the text below
    text = b"ripe, compressed text"
    tree = complete(
        [
            File("a/spliced", Deflated(text, stream=stream)),
            File("a/stored", Bytes(b"plain text")),
            File("z", Bytes(bytes(range(256)) * 10_000), 0o755),
        ],
        {},
    )
    assert hashlib.sha256(encoded(codec, tar.segments(tree))).hexdigest() == digest


def raw(plain: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(plain) + deflater.flush()


def test_spliced_streams_are_in_the_layer_unchanged() -> None:
    plain = bytes(range(256)) * 400
    content = Deflated(plain)
    stored = encoded(SplicedGzip(), tar.segments([File("a", content)]))
    assert content.deflated().stream in stored
    header = tar.header("a", b"0", mode=0o644, size=len(plain))
    end = bytes(-len(plain) % 512 + 1024)
    members = [gzip.compress(header), gzip.compress(plain), gzip.compress(end)]
    assert gzip.decompress(stored) == b"".join(map(gzip.decompress, members))


def damaged(plain: bytes = b"some text, " * 5000) -> Iterator[tuple[str, Deflated]]:
    stream, crc = raw(plain), zlib.crc32(plain)
    yield "wrong CRC-32", Deflated(plain, claimed_crc=crc ^ 1)
    yield "other bytes of the same size", Deflated(plain, stream=raw(plain.swapcase()), claimed_crc=crc)
    yield "size too small", Deflated(plain, claimed_size=len(plain) - 1)
    yield "size too large", Deflated(plain, claimed_size=len(plain) + 1)
    yield "cut short", Deflated(plain, stream=stream[:-1])
    yield "cut in half", Deflated(plain, stream=stream[: len(stream) // 2])
    yield "empty", Deflated(plain, stream=b"")
    yield "trailing byte", Deflated(plain, stream=stream + b"\0")
    yield "trailing stream", Deflated(plain, stream=stream + raw(b"more"))
    yield "no deflate", Deflated(plain, stream=b"\xff" * 100)
    yield "flipped bit", Deflated(plain, stream=bytes([stream[0] ^ 0x80]) + stream[1:])
    # The right bytes, for who is lenient; but Go's reader (Docker, containerd) refuses these, and so does zlib.
    for what, plain, code in (
        ("incomplete literal code", b"A", "05e0db922449922ccb02" + "00" * 32 + "01" + "00" * 94 + "1020"),
        ("incomplete distance code", b"AAAA", "0de0db922449922ccb02" + "00" * 32 + "02" + "00" * 94 + "109109"),
        ("incomplete code of code lengths", b"A", "05e001090000000020" + "00" * 16 + "20" + "00" * 47 + "88"),
    ):
        yield what, Deflated(plain, stream=bytes.fromhex(code))


def test_many_small_files_come_in_few_blocks() -> None:
    """Each block is hashed, framed and sent for itself."""
    tree = complete([File(f"a/{n}", Deflated(b"%d words " % n * 40)) for n in range(2000)], {})
    blocks = list(SplicedGzip().encode(tar.segments(tree), Hasher()))
    assert gzip.decompress(b"".join(blocks)) == tar_bytes(tree)
    assert len(blocks) == 1 + sum(map(len, blocks)) // (256 * 1024)


@pytest.mark.parametrize("content", [pytest.param(content, id=what) for what, content in damaged()])
def test_a_damaged_stream_is_never_a_layer(content: Deflated) -> None:
    with pytest.raises(InputError, match="don't unpack to what the archive says"):
        encoded(SplicedGzip(), tar.segments([File("a", content)]))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_stream_gives_the_promised_bytes_or_an_error(stream: bytes, claimed: int) -> None:
    content = Deflated(b"", stream=stream, claimed_size=claimed + 1, claimed_crc=zlib.crc32(bytes(claimed + 1)))
    try:
        stored = encoded(SplicedGzip(), tar.segments([File("a", content)]))
    except InputError:
        return
    assert gzip.decompress(stored)[512 : 512 + claimed + 1] == bytes(claimed + 1)


class Trailing(Spliceable):
    """A sound stream with a gigabyte behind it, which is made as it is read."""

    def __init__(self, plain: bytes) -> None:
        self.size = len(plain)
        self._stream = raw(plain)
        self._crc = zlib.crc32(plain)
        self.read = 0

    def open(self) -> io.BytesIO:
        raise AssertionError("only the stream is to be read")

    def deflated(self) -> "Trailing":
        return Trailing.Stream(self)  # type: ignore[return-value]

    class Stream:
        def __init__(self, content: "Trailing") -> None:
            self.size = 1 << 30
            self.crc32 = content._crc
            self._content = content

        def open(self) -> "Trailing.Reader":
            return Trailing.Reader(self._content)

        def watch(self) -> None:
            """Nobody wants to see it."""

    class Reader(io.RawIOBase):
        def __init__(self, content: "Trailing") -> None:
            super().__init__()
            self._content = content

        def read(self, size: int = -1) -> bytes:
            first = self._content._stream if self._content.read == 0 else b""
            self._content.read += size
            return first + bytes(size - len(first))


def test_what_trails_a_stream_is_not_gathered() -> None:
    content = Trailing(b"x" * 1000)
    with pytest.raises(InputError):
        encoded(SplicedGzip(), tar.segments([File("a", content)]))  # type: ignore[arg-type]
    assert content.read <= 2 * BLOCK


def peak(work: Iterator[bytes]) -> int:
    """Bytes at once while `work` is drained and thrown away; it must end with an `InputError`."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            for _ in work:
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_bomb_is_stopped_where_it_exceeds_its_promise() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(BLOCK)) for _ in range(256)) + deflater.flush()
    hasher = Hasher()
    content = Deflated(b"", stream=bomb, claimed_size=1000, claimed_crc=0)
    assert peak(SplicedGzip().encode(tar.segments([File("a", content)]), hasher)) < 8 * BLOCK
    assert hasher.size < 3 * BLOCK


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS, ids=by_profile)
def test_memory_does_not_grow_with_the_layer(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    tracemalloc.start()
    try:
        size = sum(map(len, codec.encode(tar.segments([File("a", Endless(200 * BLOCK))]), Hasher())))
        assert tracemalloc.get_traced_memory()[1] < 40 * BLOCK
    finally:
        tracemalloc.stop()
    assert size


@pytest.mark.parametrize("codec", [Gzip(), Zstd()], ids=by_profile)
def test_a_reader_that_stops_early_leaves_no_threads_at_work(codec: Codec) -> None:
    work = codec.encode(tar.segments(large_tree()), Hasher())
    next(work)
    work.close()
    with pytest.raises(StopIteration):
        next(work)


def test_an_error_of_a_content_reaches_the_reader() -> None:
    class Broken(Endless):
        def open(self) -> io.BytesIO:  # type: ignore[override]
            return io.BytesIO(bytes(5))

    for codec in CODECS:
        with pytest.raises(MismatchError, match="fewer bytes"):
            encoded(codec, tar.segments([File("a", Broken(10))]))


def test_another_version_of_a_compressor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression.libdeflate, "__version__", "0.9.1")
    with pytest.raises(MismatchError, match=r"deflate 0\.9\.1 is installed, but layers are made with 0\.9\.0"):
        Gzip()
    monkeypatch.setattr(zstd, "VERSION", (1, 5, 8))
    with pytest.raises(MismatchError, match=r"libzstd 1\.5\.8 is installed"):
        Zstd()


def test_profiles_tell_the_codecs_apart() -> None:
    assert len({codec.profile for codec in CODECS}) == len(CODECS)
    assert [codec.media_type.rpartition("layer.v1.")[2] for codec in CODECS] == [
        "tar",
        "tar+gzip",
        "tar+gzip",
        "tar+zstd",
    ]
