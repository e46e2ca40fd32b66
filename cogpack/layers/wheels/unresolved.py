"""What modules of wheels are linked with and nobody has, or not in the version that they want: their import would fail.

Modules are what Python can import, and whatever they are linked with among the wheels' own libraries. What is loaded
by name when it is wanted (plugins, a provider for another CUDA) may lack something and do no harm, so it doesn't count;
nor does which directories are searched: who has loaded torch has loaded its libraries for all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cogpack.elf.system_versions import SystemVersions, order
from cogpack.layers.wheels.libraries import Unresolved, WheelLibrary

_MODULE = re.compile(r"(?!lib)[^/]+\.so")
OF_ANY_SYSTEM = re.compile(
    r"lib(?:cuda|cudadebugger|nv[^/]*|GLX_nvidia|EGL_nvidia)\.so\.\d+"  # the driver's
    r"|lib(?:c|m|dl|rt|pthread|util|resolv|nsl|anl|mvec|gcc_s|stdc\+\+|z)\.so\.\d+|ld-linux[^/]*"
)
"""Sonames of every base that a Python runs on, and of every machine that it runs on with a GPU."""
_OPTIONAL = re.compile(
    r"numba/np/ufunc/(?:tbb|omp)pool\..*"  # 0.61: numba looks which of its threading layers can be loaded
    r"|torchaudio/lib/_torchaudio_(?:sox|ffmpeg\d?)\..*"  # 2.6: looked for, and passed over
    r"|cupy_backends/cuda/libs/.*"  # 13.6: what is not there is told when it is used
)


class System(msgspec.Struct, frozen=True):
    """Is what an image has beside its wheels: libraries of these `sonames`, and those of every system in these
    `versions`."""

    sonames: frozenset[str]
    versions: SystemVersions

    def has(self, soname: str) -> bool:
        """Tell whether it has the library, or the driver brings it."""
        return soname in self.sonames or bool(OF_ANY_SYSTEM.fullmatch(soname))


def unresolved(
    wheels: Mapping[str, Sequence[WheelLibrary]], site: str, machine: int, system: System
) -> tuple[Unresolved, ...]:
    """Find what nobody has: neither `wheels`, by a name for messages, nor the `system`."""
    found: dict[tuple[str, str], Unresolved] = {}
    for one in _found(wheels, site, machine, system):
        key = (one.soname, one.wheel if one.version else "")
        if key not in found or order(found[key].version) <= order(one.version):
            found[key] = one
    return tuple(one for _, one in sorted(found.items()))


def _found(
    wheels: Mapping[str, Sequence[WheelLibrary]], site: str, machine: int, system: System
) -> Iterator[Unresolved]:
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
        by = one.path.removeprefix(f"{site}/")
        for soname in one.elf.needed:
            if soname in by_name:
                waiting.append(by_name[soname])
            elif not system.has(soname):
                yield Unresolved(wheel, by, soname)
        for need in one.elf.versions:
            for version in need.versions if need.soname not in by_name else ():
                if has := system.versions.lacking(need.soname, version):
                    yield Unresolved(wheel, by, need.soname, version, has)
