"""Whether a library asks for an executable stack is read from its first kilobytes, in the wheel where it lies."""

import struct
import zipfile
from pathlib import Path

import pytest
from support.debs import shared_object
from support.wheels import make_wheel

from cogpack.elf.linking import wants_executable_stack
from cogpack.layers.wheels.outline import Outline

STACK = 0x6474E551


def library(flags: int | None, machine: int = 62, size: int = 0) -> bytes:
    """A shared object with a PT_GNU_STACK of these flags in the place of its PT_LOAD, or without one."""
    found = bytearray(shared_object("libx.so.1", machine))
    if flags is not None:
        struct.pack_into("<II", found, 64, STACK, flags)
    return bytes(found) + bytes(range(256)) * (size // 256)


@pytest.mark.parametrize(
    ("data", "asks"),
    [
        (library(7), True),
        (library(6), False),
        (library(None), True),
        (library(None, machine=183), False),
        (library(7, machine=183), True),
        (library(7)[:100], False),
        (b"", False),
        (b"!<arch>\n", False),
        (library(7)[:4] + b"\x01" + library(7)[5:], False),
        (library(7)[:32] + b"\xff" * 8 + library(7)[40:], False),
        (library(7)[:54] + struct.pack("<HH", 8, 2) + library(7)[58:], False),
        (library(7)[:56] + b"\xff\xff" + library(7)[58:], False),
    ],
    ids=[
        "asks",
        "does not",
        "amd64 by default",
        "not arm64",
        "arm64",
        "cut",
        "empty",
        "no ELF",
        "32",
        "far",
        "8",
        "65535",
    ],
)
def test_a_library_asks_by_its_program_headers_and_what_is_broken_does_not(data: bytes, asks: bool) -> None:
    assert wants_executable_stack(data) is asks


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_largest_libraries_of_a_wheel_are_looked_at_with_a_few_kilobytes_each(tmp_path: Path, method: int) -> None:
    files = {
        "x/small.so": library(7),
        "x/large.so.1.2": library(7, size=300_000),
        "x.libs/middle-1234.so": library(6, size=100_000),
        "x/so.py": b"",
        "x/data.sort": b"",
    }
    path = make_wheel(tmp_path, "x", files=files, method=method)
    asked = []

    def read(offset: int, size: int) -> bytes:
        asked.append(size)
        return path.read_bytes()[offset : offset + size]

    outline = Outline(path.name, read, path.stat().st_size)
    assert outline.shared_objects() == ["x/large.so.1.2", "x.libs/middle-1234.so", "x/small.so"]
    asked.clear()
    found = [wants_executable_stack(outline.beginning(name, 8192)) for name in outline.shared_objects()]
    assert found == [True, False, True]
    assert sum(asked) < 3 * (8192 + 512)
