"""NVIDIA's wheels of a CUDA lie in one directory, as its compiler wants it; where sources are built, `/usr/local/cuda`
leads there. What a system with CUDA has beside that, cuDNN and NCCL, is in wheels of the image, and is found where
every compiler looks. Libraries in wheels have no name without their version, which linking wants, so each has one
here."""

import re
from collections.abc import Sequence

from cogpack.layers.files import FilesSource
from cogpack.layers.wheels.archive import read_members
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile.toolkit import CUDA_HOME

_HOME = CUDA_HOME.lstrip("/")
_LOCAL = "usr/local"
_MEMBER = re.compile(r"(nvidia/cu\d+)/([^/]+)/(.*)", re.DOTALL)
_BESIDE = re.compile(r"(?:nvidia/(?:cudnn|nccl|cusparselt)|nvidia_cudnn|cusparselt)/(include|lib)/([^/]+)", re.DOTALL)
_VERSION = re.compile(r"(lib[^/]+\.so)(?:\.\d+)+")


def toolkit_links(wheels: Sequence[WheelFile]) -> FilesSource:
    """Give the links to what `wheels` have of CUDA."""
    directories: dict[str, str] = {}
    libraries: dict[str, str] = {}
    for name in _members(wheels):
        found = _MEMBER.fullmatch(name)
        if found and found[2] != "lib":
            directories[found[2]] = f"/{SITE}/{found[1]}/{found[2]}"
        elif found and "/" not in found[3]:
            target = f"/{SITE}/{name}"
            libraries[found[3]] = target
            if named := _VERSION.fullmatch(found[3]):
                libraries.setdefault(named[1], target)
    links = [(f"{_HOME}/{name}", target) for name, target in directories.items()]
    links += [(f"{_HOME}/lib64/{name}", target) for name, target in libraries.items()]
    return FilesSource("toolkit", [], directories=[_HOME, f"{_HOME}/lib64"], symlinks=sorted(links))


def library_links(wheels: Sequence[WheelFile]) -> FilesSource:
    """Give the links to headers and libraries of what no package of CUDA has."""
    links: dict[str, str] = {}
    for name in _members(wheels):
        found = _BESIDE.fullmatch(name)
        if found and found[2].endswith((".h", ".hpp")):
            links[f"{_LOCAL}/include/{found[2]}"] = f"/{SITE}/{name}"
        elif found and (named := _VERSION.fullmatch(found[2])):
            links.setdefault(f"{_LOCAL}/lib/{named[1]}", f"/{SITE}/{name}")
    directories = [f"{_LOCAL}/include", f"{_LOCAL}/lib"] if links else []
    return FilesSource("libraries", [], directories=directories, symlinks=sorted(links.items()))


def _members(wheels: Sequence[WheelFile]) -> list[str]:
    named = [wheel for wheel in wheels if wheel.filename.startswith("nvidia_")]
    return [member.name for wheel in named for member in read_members(wheel.locate(), where=wheel.filename)]
