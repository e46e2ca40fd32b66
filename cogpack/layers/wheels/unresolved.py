"""What modules of wheels are linked with and nobody has: their import would fail.

Modules are what Python can import, and whatever they are linked with among the wheels' own libraries. What is loaded
by name when it is wanted (plugins, a provider for another CUDA) may lack something and do no harm, so it doesn't count;
nor does which directories are searched: who has loaded torch has loaded its libraries for all.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from cogpack.layers.wheels.libraries import Unresolved, WheelLibrary

_MODULE = re.compile(r"(?!lib)[^/]+\.so")
_OF_THE_DRIVER = re.compile(r"lib(?:cuda|cudadebugger|nv[^/]*|GLX_nvidia|EGL_nvidia)\.so\.\d+|ld-linux[^/]*")
_OF_THE_C_LIBRARY = re.compile(r"lib(?:c|m|dl|rt|pthread|util|resolv|nsl|anl|mvec|gcc_s|stdc\+\+|z)\.so\.\d+")
"""Of every base that a Python runs on."""
_OPTIONAL = re.compile(
    r"numba/np/ufunc/(?:tbb|omp)pool\..*"  # 0.61: numba looks which of its threading layers can be loaded
    r"|torchaudio/lib/_torchaudio_(?:sox|ffmpeg\d?)\..*"  # 2.6: looked for, and passed over
    r"|cupy_backends/cuda/libs/.*"  # 13.6: what is not there is told when it is used
)


def unresolved(
    wheels: Mapping[str, Sequence[WheelLibrary]], site: str, machine: int, system: Collection[str]
) -> tuple[Unresolved, ...]:
    """Find what nobody has: neither `wheels`, by a name for messages, nor the `system`, by sonames, beside what
    any system has."""
    found = dict(_found(wheels, site, machine, system))
    return tuple(Unresolved(wheel, by, soname) for soname, (wheel, by) in sorted(found.items()))


def _found(
    wheels: Mapping[str, Sequence[WheelLibrary]], site: str, machine: int, system: Collection[str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    by_name: dict[str, tuple[str, WheelLibrary]] = {}
    waiting: list[tuple[str, WheelLibrary]] = []
    for wheel, libraries in sorted(wheels.items()):
        for one in libraries:
            if one.elf.machine == machine and one.elf.shared:
                by_name.setdefault(one.name, (wheel, one))
                by_name.setdefault(one.elf.soname or one.name, (wheel, one))
                path = one.path.removeprefix(f"{site}/")
                if _MODULE.fullmatch(one.name) and not _OPTIONAL.fullmatch(path):
                    waiting.append((wheel, one))
    seen: set[str] = set()
    while waiting:
        wheel, one = waiting.pop()
        if one.path in seen:
            continue
        seen.add(one.path)
        for soname in one.elf.needed:
            if soname in by_name:
                waiting.append(by_name[soname])
            elif soname not in system and not (_OF_THE_DRIVER.fullmatch(soname) or _OF_THE_C_LIBRARY.fullmatch(soname)):
                yield soname, (wheel, one.path.removeprefix(f"{site}/"))
