"""NVIDIA's wheels of a CUDA lie in one directory, as its compiler wants it; where sources are built, `/usr/local/cuda`
leads there. Libraries have no name without their version in wheels, which linking wants, so each has one here."""

import re
from collections.abc import Sequence

from cogpack.layers.files import FilesSource
from cogpack.layers.wheels.archive import read_members
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile.toolkit import CUDA_HOME

_HOME = CUDA_HOME.lstrip("/")
_MEMBER = re.compile(r"(nvidia/cu\d+)/([^/]+)/(.*)", re.DOTALL)
_VERSION = re.compile(r"(lib[^/]+\.so)(?:\.\d+)+")


def toolkit_links(wheels: Sequence[WheelFile]) -> FilesSource:
    """Give the links to what `wheels` have."""
    directories: dict[str, str] = {}
    libraries: dict[str, str] = {}
    for wheel in wheels:
        if not wheel.filename.startswith("nvidia_"):
            continue
        for member in read_members(wheel.locate(), where=wheel.filename):
            found = _MEMBER.fullmatch(member.name)
            if found and found[2] != "lib":
                directories[found[2]] = f"/{SITE}/{found[1]}/{found[2]}"
            elif found and "/" not in found[3]:
                target = f"/{SITE}/{member.name}"
                libraries[found[3]] = target
                if named := _VERSION.fullmatch(found[3]):
                    libraries.setdefault(named[1], target)
    links = [(f"{_HOME}/{name}", target) for name, target in directories.items()]
    links += [(f"{_HOME}/lib64/{name}", target) for name, target in libraries.items()]
    return FilesSource("toolkit", [], directories=[_HOME, f"{_HOME}/lib64"], symlinks=sorted(links))
