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
        marshalled = marshal.dumps(compile(source, path, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, OverflowError, RecursionError):
        return b""
    except MemoryError:
        if _is_too_deep(source):
            return b""
        raise
    written = canonical(marshalled)
    marshal.loads(written)  # noqa: S302 - our own; it raises, should a release have another form
    made = MAGIC_NUMBER + _CHECKED + _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source) + written
    return made if len(made) <= most(len(source)) else b""


def _is_too_deep(source: bytes) -> bool:
    """Tell whether the parser alone refuses it so, which it does of what is nested too deeply (its MAXSTACK): for real
    it never takes the memory that it has."""
    try:
        compile(source, "", "exec", 0x400, dont_inherit=True)  # PyCF_ONLY_AST, whose name would take all of `ast`
    except MemoryError:
        return True
    return False


def canonical(data: bytes) -> bytes:
    """Write a marshalled value anew, so that equal values are equal bytes: what stands several times is written once
    and referred to, a text of a name's letters is interned, and a set is in the order of its members' bytes."""
    values = _Values()
    return values.write(values.read(data))


class _Values:
    """Numbers the values that are read, equal ones alike. Of each: `_heads`, its bytes as far as its parts; `_parts`,
    their numbers; `_uses`, how many values have it as a part, of those that a reference is shorter than.

    The form is that of CPython's `Python/marshal.c`, versions 4 and 5. No function calls itself: code is nested as
    deep as the compiler goes, which is deeper than functions may be called.
    """

    def __init__(self) -> None:
        self._heads: list[bytes] = []
        self._parts: list[tuple[int, ...]] = []
        self._uses: list[int] = []
        self._numbers: dict[tuple[bytes, tuple[int, ...]], int] = {}

    def read(self, data: bytes) -> int:
        """Read a value with all its parts; give its number. `ValueError` of what is no value, or of an unknown kind."""
        at = 0
        referred: list[int] = []
        parts: list[int] = []
        head, place, count = b"", -1, 1  # of what is read now: its place in `referred`, and how many parts it has
        above: list[tuple[bytes, int, int, list[int]]] = []
        while True:
            if len(parts) < count:
                mark = data[at]
                if mark == 0x72:  # r
                    parts.append(referred[int.from_bytes(data[at + 1 : at + 5], "little")])
                    at += 5
                    continue
                kind = mark & 0x7F
                if kind in _CONTAINERS:
                    above.append((head, place, count, parts))
                    width, count = _CONTAINERS[kind]
                    head, place, parts = bytes((kind,)) + data[at + 1 : at + width], -1, []
                    count = count or int.from_bytes(head[1:], "little")
                    at += width
                    if mark & 0x80:
                        place = len(referred)
                        referred.append(-1)
                    continue
                start, at = at, _end(data, at, kind)
                number = self._number(_atom(kind, data[start + 1 : at]), ())
                parts.append(number)
                if mark & 0x80:
                    referred.append(number)
                continue
            if not above:
                if at != len(data):
                    raise ValueError("marshal: it has not the length of its value")
                return parts[0]
            if count == _BEFORE_LINE and head[0] == 0x63:
                parts.append(self._number(data[at : at + 4], ()))
                at += 4
                count = _OF_CODE
                continue
            if head[0] == 0x3E:
                parts.sort(key=self._whole)
            number = self._number(head, tuple(parts))
            if place >= 0:
                referred[place] = number
            head, place, count, parts = above.pop()
            parts.append(number)

    def write(self, root: int) -> bytes:
        """Write a value with all its parts, each that is used again once."""
        heads, parts, uses = self._heads, self._parts, self._uses
        written: list[bytes] = []
        places: dict[int, int] = {}
        left = [iter((root,))]
        while left:
            for number in left[-1]:
                if uses[number] < 2:
                    written.append(heads[number])
                elif number in places:
                    written.append(b"r" + places[number].to_bytes(4, "little"))
                    continue
                else:
                    places[number] = len(places)
                    head = heads[number]
                    written.append(bytes((head[0] | 0x80,)) + head[1:])
                if parts[number]:
                    left.append(iter(parts[number]))
                    break
            else:
                left.pop()
        return b"".join(written)

    def _whole(self, number: int) -> bytes:
        """Write a value without a reference."""
        written: list[bytes] = []
        left = [number]
        while left:
            number = left.pop()
            written.append(self._heads[number])
            left.extend(reversed(self._parts[number]))
        return b"".join(written)

    def _number(self, head: bytes, parts: "tuple[int, ...]") -> int:
        key = (head, parts)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._heads)
            self._heads.append(head)
            self._parts.append(parts)
            self._uses.append(0)
            for part in parts:
                if self._parts[part] or len(self._heads[part]) > _REFERENCE:
                    self._uses[part] += 1
        return number


_REFERENCE = 5
"""Bytes of a reference."""
_BEFORE_LINE = 8
"""Values of a code object that stand before the number of its first line, which counts as one here."""
_NUMBERS, _OF_CODE = (6, 10) if sys.version_info < (3, 11) else (5, 11)
_CONTAINERS = {0x29: (2, 0), 0x28: (5, 0), 0x3E: (5, 0), 0x63: (1 + 4 * _NUMBERS, _BEFORE_LINE), 0x3A: (1, 3)}
"""Of tuples, small and large, frozen sets, code and slices: the bytes before the parts, and how many there are, unless
these bytes say so."""
_NAMES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.<>"


def _end(data: bytes, at: int, kind: int) -> int:
    """Tell where the value without parts that begins at `at` ends."""
    if kind == 0x7A or kind == 0x5A:  # z, Z
        return at + 2 + data[at + 1]
    if kind in b"stuaA":
        return at + 5 + int.from_bytes(data[at + 1 : at + 5], "little")
    if kind in b"NTFS.":
        return at + 1
    if kind in b"igy":
        return at + {0x69: 5, 0x67: 9, 0x79: 17}[kind]
    if kind == 0x6C:  # l
        return at + 5 + 2 * abs(int.from_bytes(data[at + 1 : at + 5], "little", signed=True))
    raise ValueError(f"marshal: kind {kind}")


def _atom(kind: int, rest: bytes) -> bytes:
    """Give what a value without parts is written as, whether or not this process had it interned."""
    if kind == 0x7A or kind == 0x5A:
        return (b"z" if rest[1:].translate(None, _NAMES) else b"Z") + rest
    if kind in b"aA":
        return (b"a" if rest[4:].translate(None, _NAMES) else b"A") + rest
    return (b"u" if kind == 0x74 else bytes((kind,))) + rest


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
        if sys.platform == "linux":  # macOS knows no such bound
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
