"""This is run as a program, by a Python of the image's own release: it compiles sources to bytecode (PEP 552).

`program.py PLACE PARTS RELEASE`: of each `PLACE/N.in` it makes `PLACE/N.out`, each in a process of its own. An input is
a row of records: two sizes (32 bits, big endian), a path as the image has it, and the source; an output has for each a
size and as much bytecode, none where the source can't be compiled, or to far more than it is. Standard library alone,
and no source is run. What takes more memory or time than any module does ends it all, by a status: whether a file has
bytecode never depends on the machine.

Only what is built in or frozen is imported. What marshal writes of the name of a class within a function depends on
whether code of that name is held elsewhere in the process (CPython 3.13), as that of modules from a disk is; and
what such modules bring differs with how they came, from bytecode or from source. So it is with texts and names of this
program that sources have, too ("linux"): a new one is another `packs.VERSION`, unless Python itself holds it.
"""

import _imp
import _signal  # type: ignore[import-not-found]
import marshal
import os
import resource
import sys
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

_CHECKED = b"\x03\x00\x00\x00"
"""Flags: it has a hash of its source, which is held against the source whenever that is imported."""

LARGEST = 4 * 1024 * 1024
"""Bytes of a source that is compiled."""
_MEMORY = 4 * 1024 * 1024 * 1024
"""Bytes of addresses for each part: several times what the densest source of that size takes."""
_SECONDS = 600
"""Processor time for one file; an emulator is twenty times slower than what it stands for."""


def most(size: int) -> int:
    """Tell how large the bytecode of a source of `size` may be: nested `finally` doubles it with each level."""
    return min(64 * 1024 + 16 * size, 4 * LARGEST)


def bytecode(path: str, source: bytes) -> bytes:
    """Compile one file, as its import would; `MemoryError` where that takes too much."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError):
        return b""
    except MemoryError:
        if _is_too_deep(source):
            return b""
        raise
    made = (
        MAGIC_NUMBER + _CHECKED + _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source) + marshal.dumps(code)
    )
    return made if len(made) <= most(len(source)) else b""


def _is_too_deep(source: bytes) -> bool:
    """Tell whether the parser alone refuses it so, which it does of what is nested too deeply (its MAXSTACK): for real
    it never takes the memory that it has."""
    try:
        compile(source, "", "exec", 0x400, dont_inherit=True)  # PyCF_ONLY_AST, whose name would take all of `ast`
    except MemoryError:
        return True
    return False


def sources(stream: "BinaryIO") -> "Iterator[tuple[str, bytes]]":
    """Read the records of an input."""
    while sizes := stream.read(8):
        path = stream.read(int.from_bytes(sizes[:4], "big"))
        yield path.decode(), stream.read(int.from_bytes(sizes[4:], "big"))


def compile_part(place: str, part: int, begin: "Callable[[str], object]" = str) -> None:
    """Make an output of an input; `begin` is told of each path."""
    with open(f"{place}/{part}.in", "rb") as stream, open(f"{place}/{part}.out", "wb") as out:
        for path, source in sources(stream):
            begin(path)
            made = bytecode(path, source)
            out.write(len(made).to_bytes(4, "big") + made)


def compile_bounded(place: str, part: int) -> int:
    """Do so within the bounds, in a process that ends with it; give its status."""
    now = ""

    def begin(path: str) -> None:
        nonlocal now
        now = path
        _signal.setitimer(_signal.ITIMER_PROF, _SECONDS)

    try:
        if sys.platform[0] == "l":  # macOS knows no such bound
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        compile_part(place, part, begin)
    except Exception as error:  # noqa: BLE001 - it is told, and this process has no caller
        sys.stderr.write(f"{now}: {type(error).__name__} {error}\n")
        return 1
    return 0


def main(place: str, parts: int, release: str) -> int:
    found = f"{sys.implementation.name}-{'.'.join(map(str, sys.version_info[:3]))}"
    if found != release:
        sys.stderr.write(f"it is {found}\n")
        return 2
    children = []
    for part in range(parts):
        child = os.fork()
        if child == 0:
            os._exit(compile_bounded(place, part))
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    for signalled in filter(os.WIFSIGNALED, statuses):
        sys.stderr.write(f"a part of it was ended by signal {os.WTERMSIG(signalled)}\n")
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
