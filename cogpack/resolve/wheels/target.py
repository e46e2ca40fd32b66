"""Wheels are chosen for the interpreter of the image: its markers and tags, never the host's."""

from collections.abc import Mapping

import msgspec
from packaging.tags import Tag, compatible_tags, cpython_tags

from cogpack.requirements.environment import MACHINES, marker_environment

_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Older names of a glibc level (PEP 513, 571, 599); the first two were never for aarch64."""

_UV_NEWEST = 40
"""The newest manylinux level that uv takes as a platform."""


class TargetPython(msgspec.Struct, frozen=True, kw_only=True):
    """Describes the image's interpreter. `python`: "3.13"; `glibc`: "2.41"; `arch`: as OCI names it, "amd64" or
    "arm64"."""

    python: str
    glibc: str
    arch: str

    @property
    def machine(self) -> str:
        return MACHINES[self.arch]

    @property
    def uv_platform(self) -> str:
        return f"{self.machine}-manylinux_2_{min(self._glibc_minor, _UV_NEWEST)}"

    @property
    def _glibc_minor(self) -> int:
        return int(self.glibc.partition(".")[2])

    def tags(self) -> Mapping[Tag, int]:
        """Give all tags it takes (PEP 425, PEP 600), each with its place: the best one has 0."""
        platforms: list[str] = []
        for minor in range(self._glibc_minor, 4, -1):
            platforms.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _LEGACY and (self.arch == "amd64" or minor == 17):
                platforms.append(f"{_LEGACY[minor]}_{self.machine}")
        platforms.append(f"linux_{self.machine}")
        major, minor = (int(part) for part in self.python.split("."))
        tags = [
            *cpython_tags((major, minor), platforms=platforms),
            *compatible_tags((major, minor), f"cp{major}{minor}", platforms),
        ]
        return {tag: place for place, tag in enumerate(tags)}

    def environment(self) -> Mapping[str, str]:
        """Give its values of the markers (PEP 508, "Environment Markers")."""
        return marker_environment(self.python, self.arch)
