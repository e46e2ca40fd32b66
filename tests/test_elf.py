import random
import shutil
import subprocess
from pathlib import Path

import pytest
from support.debs import narrow_object
from support.elf import library

from cogpack.elf import AMD64, ARM64, I386, Elf, ReadAt, read_elf
from cogpack.sizes import MiB

WHOLE = library(
    "libx.so.1",
    needed=["libc.so.6", "libcublas.so.12"],
    runpath="$ORIGIN/../nvidia/cublas/lib:$ORIGIN",
)


def reading(data: bytes) -> ReadAt:
    return lambda offset, size: data[offset : offset + size]


def test_what_the_linker_is_told_is_read() -> None:
    assert read_elf(reading(WHOLE)) == Elf(
        machine=AMD64,
        shared=True,
        soname="libx.so.1",
        needed=("libc.so.6", "libcublas.so.12"),
        runpath=("$ORIGIN/../nvidia/cublas/lib", "$ORIGIN"),
    )


def test_an_old_rpath_is_told_from_a_runpath() -> None:
    found = read_elf(reading(library(None, 183, rpath="$ORIGIN")))
    assert found == Elf(machine=ARM64, shared=True, rpath=("$ORIGIN",))


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
    assert (found.soname, found.runpath, found.executable_stack) == ("libx.so.3", ("$ORIGIN/lib",), True)
    told = subprocess.run(["readelf", "-dW", made], capture_output=True, text=True, check=True).stdout
    assert [f"[{name}]" for name in found.needed] == [
        line.split()[-1] for line in told.splitlines() if "NEEDED" in line
    ]
