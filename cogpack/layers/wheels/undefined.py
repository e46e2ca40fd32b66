"""What a compiled extension wants of the libraries that it is linked with, and these lack: it was made for another
release of them, and its import fails with "undefined symbol".
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import msgspec

from cogpack.elf.symbols import Symbols, read_symbols
from cogpack.layers.content import Content, read_anywhere
from cogpack.layers.wheels.libraries import WheelLibrary
from cogpack.layers.wheels.placing import wheel_files
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.unresolved import OF_ANY_SYSTEM
from cogpack.layers.wheels.venv import SITE

_OF_CPP = re.compile(r"_Z.*", re.DOTALL)
"""Mangled names: those of C may be the interpreter's, the driver's or anybody's."""


def undefined_symbols(
    extension: WheelFile,
    others: Sequence[WheelFile],
    libraries: Callable[[WheelFile], Sequence[WheelLibrary]],
    machine: int,
) -> list[tuple[str, str]]:
    """Find what libraries of `extension` want of C++, without a version, and nothing has that they are linked with in
    `extension` and `others`: each by its path in the site directory, and the mangled name. `others`: all wheels of the
    lock, torch among them. `libraries`: those of a wheel
    (`WheelLibraries.of`); `machine`: one of `elf.MACHINES`.

    Of a library that is linked with one that is in no wheel, and not any system's, nothing is told. As many others are
    read as it takes, the nearest first but NVIDIA's last, which have C alone and are ten times torch's size, each to
    its end: of torch with CUDA 6 s of one core.
    """
    known = {name: one for wheel in reversed(others) for name, one in _named(wheel, libraries, machine)}
    own = dict(_named(extension, libraries, machine))
    known |= own
    found: set[tuple[str, str]] = set()
    for one in own.values():
        linked = _linked(one, own, known)
        wanted = {name for name in one.symbols().wanted if _OF_CPP.fullmatch(name)} if linked else set[str]()
        for other in sorted(linked, key=_is_of_nvidia):
            if not wanted:
                break
            wanted -= other.symbols().defined
        found |= {(one.library.path.removeprefix(f"{SITE}/"), name) for name in wanted}
    return sorted(found)


class _Linked(msgspec.Struct, frozen=True, eq=False):
    library: WheelLibrary
    symbols: Callable[[], Symbols]


def _is_of_nvidia(one: _Linked) -> bool:
    return one.library.path.startswith(f"{SITE}/nvidia/")


def _named(
    wheel: WheelFile, libraries: Callable[[WheelFile], Sequence[WheelLibrary]], machine: int
) -> list[tuple[str, _Linked]]:
    """Give each library of `wheel` by the name under which others are linked with it."""

    @cache
    def contents() -> dict[str, Content]:
        return {file.path: file.content for file in wheel_files(wheel.locate(), wheel.filename)}

    def linked(one: WheelLibrary) -> _Linked:
        @cache
        def symbols() -> Symbols:
            with read_anywhere(contents()[one.path]) as read:
                return read_symbols(read) or Symbols()

        return _Linked(one, symbols)

    shared = [one for one in libraries(wheel) if one.elf.machine == machine and one.elf.shared]
    return [(one.elf.soname or one.name, linked(one)) for one in shared]


def _linked(one: _Linked, own: Mapping[str, _Linked], known: Mapping[str, _Linked]) -> list[_Linked]:
    """Give `one` and what it is linked with, the nearest first; none where nobody has one of these, of which the
    extension itself says that it wants it."""
    found = [one]
    seen: set[str] = set()
    waiting = deque((soname, True) for soname in one.library.elf.needed)
    while waiting:
        soname, wanted = waiting.popleft()
        if soname in seen or OF_ANY_SYSTEM.fullmatch(soname):
            continue
        seen.add(soname)
        if soname in known:
            found.append(known[soname])
            waiting += ((name, soname in own) for name in known[soname].library.elf.needed)
        elif wanted:
            return []
    return found
