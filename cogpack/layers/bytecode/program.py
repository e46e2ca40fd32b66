"""This is run as a program, by a Python of the image's own release: it compiles sources to bytecode (PEP 552).

`program.py PLACE PARTS RELEASE`: of each `PLACE/N.in` it makes `PLACE/N.out`, each in a process of its own. An input is
a row of records: two sizes (32 bits, big endian), a path as the image has it, and the source; an output has for each a
size and as much bytecode, none where the source can't be compiled. Standard library alone, and no source is run.
"""

import marshal
import os
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, source_hash
from typing import BinaryIO

_CHECKED = b"\x03\x00\x00\x00"
"""Flags: it has a hash of its source, which is held against the source whenever that is imported."""


def bytecode(path: str, source: bytes) -> bytes:
    """Compile one file, as its import would."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return b""
    return MAGIC_NUMBER + _CHECKED + source_hash(source) + marshal.dumps(code)


def sources(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Read the records of an input."""
    while sizes := stream.read(8):
        path = stream.read(int.from_bytes(sizes[:4], "big"))
        yield path.decode(), stream.read(int.from_bytes(sizes[4:], "big"))


def compile_part(place: str, part: int) -> None:
    with open(f"{place}/{part}.in", "rb") as stream, open(f"{place}/{part}.out", "wb") as out:
        for path, source in sources(stream):
            made = bytecode(path, source)
            out.write(len(made).to_bytes(4, "big") + made)


def main(place: str, parts: int, release: str) -> int:
    found = f"{sys.implementation.name}-{'.'.join(map(str, sys.version_info[:3]))}"
    if found != release:
        sys.stderr.write(f"it is {found}\n")
        return 2
    children = []
    for part in range(parts):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                compile_part(place, part)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    return max(int(os.waitpid(child, 0)[1] != 0) for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
