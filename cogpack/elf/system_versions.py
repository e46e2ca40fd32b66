"""Which versions of their symbols the C library and the C++ library of a system have: a file that wants another one
does not load."""

import re
from collections.abc import Mapping

import msgspec

from cogpack.patterns import pattern

_OF_GLIBC = pattern(r"lib(?:c|m|dl|rt|pthread|util|resolv|nsl|anl|mvec|thread_db|BrokenLocale)\.so\.\d+|ld-linux[^/]*")
_OF_CPP = "libstdc++.so.6"
_GLIBC = pattern(r"GLIBC_(\d+(?:\.\d+)+)")
_CPP = pattern(r"(GLIBCXX_3\.4|CXXABI_1\.3)\.(\d+)")
_GCC: Mapping[tuple[str, int], str] = {
    ("GLIBCXX_3.4", 29): "11.1",
    ("GLIBCXX_3.4", 30): "12.1",
    ("GLIBCXX_3.4", 31): "13.1",
    ("GLIBCXX_3.4", 32): "13.2",
    ("GLIBCXX_3.4", 33): "14.1",
    ("GLIBCXX_3.4", 34): "15.1",
    ("CXXABI_1.3", 13): "11.1",
    ("CXXABI_1.3", 14): "13.1",
    ("CXXABI_1.3", 15): "14.1",
    ("CXXABI_1.3", 16): "15.1",
}
"""The first release of GCC whose libstdc++ has a version (its manual, "ABI Policy and Guidelines"). Older ones have all
that Debian 11 has."""


class SystemVersions(msgspec.Struct, frozen=True):
    """Is a system with this `glibc`, "2.41", and the libstdc++ of this release of `gcc`, "14.2.0", "" where nobody
    knows it."""

    glibc: str
    gcc: str = ""

    def lacking(self, soname: str, version: str) -> str:
        """Name what the system has, where its library `soname` lacks `version`; "" where it has it, or nobody knows."""
        if found := _GLIBC.fullmatch(version):
            lacks = bool(_OF_GLIBC.fullmatch(soname)) and order(found[1]) > order(self.glibc)
            return f"glibc {self.glibc}" if lacks else ""
        if self.gcc and soname == _OF_CPP and (found := _CPP.fullmatch(version)):
            first = _GCC.get((found[1], int(found[2])), "0")
            return f"the libstdc++ of GCC {self.gcc}" if order(first) > order(self.gcc) else ""
        return ""


def order(version: str) -> tuple[int, ...]:
    """Give the numbers in `version`, by which it is older or newer than others of its kind."""
    return tuple(map(int, re.findall(r"\d+", version)))
