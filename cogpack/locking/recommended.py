"""People are told what packages come that nothing needs and others recommend, and which of these could not."""

from collections.abc import Sequence

import msgspec

from cogpack.lockfile.base_kinds import Base, LeftOut
from cogpack.text import count_text, size_text

LEAVES_OUT = "`cogpack: {recommends: false}`"
"""What a user writes to have none of them."""


class Recommended(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of Debian packages that are only recommended: their names and the bytes that are fetched for them."""

    packages: tuple[str, ...]
    size: int
    left_out: tuple[LeftOut, ...] = ()

    def lines(self) -> Sequence[str]:
        cost = f"{count_text(len(self.packages), 'Debian package')} ({size_text(self.size)})"
        return [
            *([f"only recommended: {cost}; {LEAVES_OUT} leaves them out"] if self.packages else []),
            *(f"left out: {one.wanted}, which {one.package} recommends: {one.reason}" for one in self.left_out),
        ]


def recommended(base: Base) -> Recommended | None:
    """Tell of a base that has the packages that others recommend; None of any other."""
    if not base.system_packages.recommends:
        return None
    found = [deb for deb in base.system_packages.packages if deb.recommended]
    left_out = base.system_packages.left_out
    return Recommended(
        packages=tuple(deb.name for deb in found), size=sum(deb.size for deb in found), left_out=left_out
    )


def left_to_recommends(base: Base) -> bool:
    """Tell whether dpkg has to install packages, but none that anything needs."""
    if not base.system_packages.dpkg:
        return False
    found = base.system_packages
    return {deb.name for deb in found.packages if deb.recommended}.issuperset(found.dpkg)
