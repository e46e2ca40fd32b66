"""Packages may be such that each pin moves another one."""

from collections.abc import Sequence

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from cogpack.resolve.pip import Asked, Command, Metadata, Offer, Package, UnforeseenError, WheelCandidate, solve

REQUIRED = {("a", "2"): "b<2", ("b", "1"): "a<2", ("a", "1"): "b>1", ("b", "2"): "a>1"}


class Source:
    """Offers both packages in two versions, each of which wants another version of the other than is there."""

    def installed(self, name: str) -> None:
        """Give none."""

    def offered(self, name: str) -> Sequence[WheelCandidate]:
        files = {version: f"{name}-{version}-py3-none-any.whl" for version in ("1", "2")}
        return [WheelCandidate(Version(one), Offer(filename=file, url=file), 0) for one, file in files.items()]

    def metadata(self, package: Package) -> Metadata:
        return Metadata((Requirement(REQUIRED[package.name, str(package.version)]),))


def test_a_resolution_without_end_is_left_to_pip() -> None:
    asked = (Asked(Requirement("a")), Asked(Requirement("b")))
    with pytest.raises(UnforeseenError, match="one moves the other"):
        solve(Command(asked=asked, environment={"python_full_version": "3.12.0"}), Source())
