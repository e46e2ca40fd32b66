import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.debs import narrow_object
from support.elf import library

from cogpack.elf.file import AMD64, I386, ReadAt
from cogpack.elf.linking import Elf, VersionNeed, read_elf
from cogpack.elf.passing import PassingElf
from cogpack.elf.symbols import Symbols, read_symbols
from cogpack.sizes import MiB

WHOLE = library(
    "libx.so.1",
    needed=["libc.so.6", "libcublas.so.12"],
    runpath="$ORIGIN/../nvidia/cublas/lib:$ORIGIN",
    versions={"libc.so.6": ["GLIBC_2.38", "GLIBC_2.2.5"], "libstdc++.so.6": ["GLIBCXX_3.4.32"]},
)


def reading(data: bytes) -> ReadAt:
    return lambda offset, size: data[offset : offset + size]


def test_what_the_linker_is_told_is_read() -> None:
    assert read_elf(reading(WHOLE)) == Elf(
        machine=AMD64,
        shared=True,
        soname="libx.so.1",
        needed=("libc.so.6", "libcublas.so.12"),
        versions=(
            VersionNeed("libc.so.6", ("GLIBC_2.38", "GLIBC_2.2.5")),
            VersionNeed("libstdc++.so.6", ("GLIBCXX_3.4.32",)),
        ),
    )


def test_a_file_of_32_bits_is_read_where_it_is_asked_for_and_is_of_i386() -> None:
    data = narrow_object("libx.so.1")
    assert read_elf(reading(data), narrow=True) == Elf(machine=I386, shared=True, soname="libx.so.1")
    assert read_elf(reading(data)) is None
    assert read_elf(reading(data[:18] + b"\x28" + data[19:]), narrow=True) is None, "of 32-bit ARM"
    assert read_elf(reading(WHOLE[:18] + b"\x03" + WHOLE[19:]), narrow=True) is None, "of 64 bits, and of i386"


@pytest.mark.parametrize(
    ("machine", "stack", "executable"),
    [(62, 6, False), (62, 7, True), (62, None, True), (183, 6, False), (183, 7, True), (183, None, False)],
)
def test_an_executable_stack_is_asked_for_by_a_flag_and_on_amd64_by_saying_nothing(
    machine: int, stack: int | None, executable: bool
) -> None:
    found = read_elf(reading(library("x", machine, stack=stack)))
    assert found is not None
    assert found.executable_stack is executable


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"INPUT(libc.so.6)", b"\x7fELF\x01\x01" + bytes(90), WHOLE[:200]])
def test_what_is_no_whole_64_bit_file_is_none(data: bytes) -> None:
    assert read_elf(reading(data)) is None


def test_a_file_that_lies_is_refused_or_read_within_bounds() -> None:
    chance = random.Random(4)
    for _ in range(3000):
        data = bytearray(WHOLE)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(6, len(data) - 8)
            wrong = chance.choice([b"\xff" * 8, bytes(8), chance.randbytes(8), (1 << 40).to_bytes(8, "little")])
            data[at : at + 8] = wrong
        asked: list[int] = []

        def read(offset: int, size: int, data: bytes = bytes(data), asked: list[int] = asked) -> bytes:
            asked.append(size)
            return data[offset : offset + size]

        read_elf(read)
        assert len(asked) <= 12
        assert max(asked) <= 64 * MiB


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def passing(data: bytes, block: int) -> tuple[Elf | None, list[int]]:
    """Give what is learnt of `data` in such blocks, and how far it was read again."""
    again: list[int] = []

    def read(offset: int, size: int) -> bytes:
        again.append(offset + size)
        return data[offset : offset + size]

    watch = PassingElf(len(data), read)
    for piece in pieces(data, block):
        watch.see(piece)
    return watch.elf(), again


@pytest.mark.parametrize("padding", [0, MiB - 150, MiB + 4096])
@pytest.mark.parametrize("block", [997, 64 * 1024, 8 * MiB])
def test_what_the_linker_is_told_is_learnt_while_a_file_goes_by_and_no_byte_is_read_twice(
    padding: int, block: int
) -> None:
    data = library("x", needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.38"]}, padding=padding) + bytes(3000)
    assert passing(data, block) == (read_elf(reading(data)), [])


def test_of_a_file_whose_strings_lie_far_in_front_only_so_much_is_read_again() -> None:
    data = library("x", needed=["libc.so.6"], before=MiB + 100, padding=4 * MiB)
    found, again = passing(data, 64 * 1024)
    assert found == read_elf(reading(data))
    assert found is not None
    assert found.needed == ("libc.so.6",)
    assert [place < 2 * MiB for place in again] == [True]


def test_of_a_file_that_lies_the_same_is_learnt_as_by_reading_it() -> None:
    chance = random.Random(5)
    for _ in range(300):
        data = bytearray(WHOLE)
        at = chance.randrange(6, len(data) - 8)
        data[at : at + 8] = chance.choice([b"\xff" * 8, bytes(8), chance.randbytes(8), (100).to_bytes(8, "little")])
        assert passing(bytes(data), 50)[0] == read_elf(reading(bytes(data)))


@pytest.mark.parametrize("size", [100, 5000, MiB, MiB + 5, 2 * MiB])
@pytest.mark.parametrize("block", [4096, 64 * 1024, MiB])
def test_of_a_damaged_file_whose_segments_lie_beyond_its_end_the_same_is_learnt_as_by_reading_it(
    size: int, block: int
) -> None:
    chance = random.Random(size + block)
    header = WHOLE[:54] + struct.pack("<HH", 56, 3) + WHOLE[58:64]
    for headers in [*[64] * 8, 10**9, size - 10]:
        segments = b"".join(
            struct.pack(
                "<IIQQQQQQ",
                chance.choice([1, 2, 0x6474E551]),
                0,
                chance.choice([0, size - 10, size + 5, 10**9, chance.randrange(size)]),
                chance.choice([0, 64, 4096]),
                0,
                chance.choice([16, 4096, 2 * MiB]),
                4096,
                8,
            )
            for _ in range(3)
        )
        data = (header[:32] + headers.to_bytes(8, "little") + header[40:] + segments).ljust(size, b"\0")[:size]
        assert passing(data, block)[0] == read_elf(reading(data))


@pytest.mark.parametrize("place", [1 << 63, (1 << 63) - 1, (1 << 64) - 1])
def test_no_place_is_asked_for_that_no_file_can_have(place: int) -> None:
    lying = WHOLE[:32] + place.to_bytes(8, "little") + WHOLE[40:]

    def read(offset: int, size: int) -> bytes:
        assert offset + size < 1 << 63
        return lying[offset : offset + size]

    assert read_elf(read) is None


def test_one_string_that_is_named_again_and_again_does_not_fill_the_memory() -> None:
    name = "x" * 60_000
    assert read_elf(reading(library("x", needed=[name] * 17))) is not None
    assert read_elf(reading(library("x", needed=[name] * 18))) is None


@pytest.mark.skipif(not shutil.which("gcc") or not shutil.which("readelf"), reason="needs gcc and binutils")
def test_a_library_of_a_real_linker_is_read_as_readelf_reads_it(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("#include <math.h>\ndouble f(double x) { return sin(x) + cosh(x); }")
    made = tmp_path / "libx.so"
    options = ["-shared", "-fPIC", "-Wl,-soname,libx.so.3", "-Wl,-rpath,$ORIGIN/lib", "-Wl,--enable-new-dtags"]
    subprocess.run(["gcc", *options, "-z", "execstack", "-o", made, tmp_path / "x.c", "-lm"], check=True)
    found = read_elf(reading(made.read_bytes()))
    assert found is not None
    assert (found.soname, found.executable_stack) == ("libx.so.3", True)
    told = subprocess.run(["readelf", "-dW", made], capture_output=True, text=True, check=True).stdout
    assert [f"[{name}]" for name in found.needed] == [
        line.split()[-1] for line in told.splitlines() if "NEEDED" in line
    ]


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize("style", ["gnu", "sysv"])
def test_symbols_that_a_library_has_and_those_that_it_wants_are_told_apart(tmp_path: Path, style: str) -> None:
    (tmp_path / "x.cc").write_text(
        '#include <cstdio>\nnamespace at { void gone(int); int here(int x) { gone(x); puts("x"); return x; } }\n'
        "__attribute__((weak)) void maybe(); void also() { if (maybe) maybe(); }\n"
        '__attribute__((visibility("hidden"))) int inner(int x) { return at::here(x); }\n'
    )
    made = tmp_path / "libx.so"
    subprocess.run(["g++", "-shared", "-fPIC", f"-Wl,--hash-style={style}", "-o", made, tmp_path / "x.cc"], check=True)
    found = read_symbols(reading(made.read_bytes()))
    assert found is not None
    assert found.wanted == {"_ZN2at4goneEi"}
    assert {"_ZN2at4hereEi", "_Z4alsov"} <= found.defined
    assert "_Z5inneri" not in found.defined
    chance = random.Random(6)
    for _ in range(300):
        data = bytearray(made.read_bytes())
        for _ in range(3):
            at = chance.randrange(6, 0x600)
            data[at : at + 8] = chance.choice([b"\xff" * 8, chance.randbytes(8), (1 << 40).to_bytes(8, "little")])
        read_symbols(reading(bytes(data)))


def test_what_has_no_symbols_wants_none() -> None:
    assert read_symbols(reading(WHOLE)) == Symbols()
    assert read_symbols(reading(b"INPUT(libc.so.6)")) is None
