"""What this machine does by itself: its disk, its processor. Of what is written nothing stays."""

import hashlib
import math
import os
import random
import struct
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack import inflate
from cogpack.disk import writing
from cogpack.layers.compression import Gzip, Zstd
from cogpack.sizes import MiB

_PATTERN = 4 * MiB
_SECONDS = 0.25
"""Of each kind of work for the processor."""


class Processor(msgspec.Struct, frozen=True, kw_only=True):
    """What one core does, in bytes a second: `sha256`; `gzip` of programs and `zstd` of weights, as layers have them;
    `inflate` of gzip, which is what splicing a wheel costs. `cores`: that this process may use."""

    cores: int
    sha256: float
    gzip: float
    zstd: float
    inflate: float


def weight_like() -> bytes:
    """Make 4 MiB of numbers that are as weights in bfloat16 are, no two times the same: an engine keeps what it has
    seen."""
    some = random.Random(os.urandom(8))  # noqa: S311 - keeps no secret
    numbers = (some.gauss(0.0, 0.02) for _ in range(_PATTERN // 64))
    # The upper halves of floats are bfloat16; low bytes are as random as real ones, signs and exponents are alike.
    upper = [struct.pack(">f", number)[0] for number in numbers]
    block = bytearray(_PATTERN)
    block[0::2] = os.urandom(_PATTERN // 2)
    block[1::2] = (bytes(upper) * 32)[: _PATTERN // 2]
    return bytes(block)


def measure_writing(directory: Path, *, size: int = 128 * MiB) -> float:
    """Tell how many bytes a second the disk of `directory` takes, until they are on it."""
    return _disk(directory, size)[0]


def measure_reading(directory: Path, *, size: int = 128 * MiB) -> float:
    """Tell how many bytes a second the disk of `directory` gives, of what is not in memory; where the system keeps all
    in memory, what that gives."""
    return _disk(directory, size)[1]


def _disk(directory: Path, size: int) -> tuple[float, float]:
    block = os.urandom(MiB)
    with writing(directory), tempfile.TemporaryFile(dir=directory) as file:
        began = time.monotonic()
        for _ in range(size // MiB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        written = time.monotonic() - began
        with suppress(AttributeError, OSError):  # not on every system
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        began = time.monotonic()
        while file.read(MiB):
            pass
        read = time.monotonic() - began
    return size / written if written else math.inf, size / read if read else math.inf


def measure_processor() -> Processor:
    """Let one core hash, compress and inflate for a while each."""
    weights, programs = weight_like(), b"".join(_programs())
    gzip, zstd = Gzip(), Zstd()
    packed = gzip.compress(programs)

    def unpack() -> int:
        return len(inflate.inflater(inflate.GZIP).decompress(packed, len(programs)))

    return Processor(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        sha256=_rate(lambda: len(weights) * bool(hashlib.sha256(weights).digest())),
        gzip=_rate(lambda: len(programs) * bool(gzip.compress(programs))),
        zstd=_rate(lambda: len(weights) * bool(zstd.compress(weights))),
        inflate=_rate(unpack),
    )


def _rate(work: Callable[[], int]) -> float:
    """Give the bytes a second of `work`, which tells how many it did."""
    began, done = time.monotonic(), 0
    while (spent := time.monotonic() - began) < _SECONDS:
        done += work()
    return done / spent


def _programs() -> Iterator[bytes]:
    """Give a MiB of what is in most layers that are compressed: sources, of Python itself."""
    left = MiB
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        with suppress(OSError):
            data = path.read_bytes()[:left]
            left -= len(data)
            yield data
        if not left:
            return
    yield os.urandom(left)
