"""`cogpack sbom` tells all that a lock has in an image, in two languages, the same way each time."""

import json
import re

import pytest
from support.wheels import make_wheel
from support.world import World, noise, ok

from cogpack.lockfile import LockedWheel
from cogpack.lockfile.base_kinds import LockedDeb
from cogpack.sbom.parts import _deb, _wheel

PURL = re.compile(r"pkg:[a-z]+/[^@?#\s]+(@[^@?#\s]+)?(\?[a-z_]+=[^&#\s]*(&[a-z_]+=[^&#\s]*)*)?")


def test_all_that_an_image_is_made_of_is_in_its_documents(world: World) -> None:
    make_wheel(world.wheels, "thing", files={"thing.py": noise(5_000)})
    project = world.project(requirements="thing\n")
    ok(project.cogpack("lock"))
    spdx = json.loads(ok(project.cogpack("sbom")).out)
    names = {package["name"] for package in spdx["packages"]}
    assert {"model", "python", "thing", "cog", "coglet", "pip"} <= names
    by_name = {package["name"]: package for package in spdx["packages"]}
    locator = by_name["thing"]["externalRefs"][0]["referenceLocator"]
    assert locator == "pkg:pypi/thing@1.0?file_name=thing-1.0-py3-none-any.whl"
    assert by_name["thing"]["checksums"][0]["algorithm"] == "SHA256"
    contained = {one["relatedSpdxElement"] for one in spdx["relationships"] if one["relationshipType"] == "CONTAINS"}
    assert contained == {package["SPDXID"] for package in spdx["packages"]} - {"SPDXRef-image"}
    assert len(contained) == len(spdx["packages"]) - 1
    cyclonedx = json.loads(ok(project.cogpack("sbom", "--format", "cyclonedx")).out)
    told = {package["externalRefs"][0]["referenceLocator"] for package in spdx["packages"] if "externalRefs" in package}
    assert {component["purl"] for component in cyclonedx["components"]} == told
    assert all(PURL.fullmatch(purl) for purl in told), told
    assert ok(project.cogpack("sbom")).out == ok(project.cogpack("sbom")).out


@pytest.mark.parametrize(
    ("archive", "purl"),
    [
        ("debian", "pkg:deb/debian/libstdc%2B%2B6@1:2.3%2Bdfsg-1~deb13u1?arch=amd64&distro=trixie"),
        (
            "https://a.test/x",
            "pkg:deb/libstdc%2B%2B6@1:2.3%2Bdfsg-1~deb13u1?arch=amd64&repository_url=https://a.test/x",
        ),
    ],
)
def test_packages_of_debian_and_of_others_have_addresses(archive: str, purl: str) -> None:
    deb = LockedDeb(
        name="libstdc++6", version="1:2.3+dfsg-1~deb13u1", arch="amd64", archive=archive, path="pool/a.deb", size=1,
        sha256="0" * 64,
    )  # fmt: skip
    assert _deb(deb, "trixie").purl == purl


def test_a_version_with_a_plus_is_escaped() -> None:
    wheel = LockedWheel(
        name="torch", version="2.6.0+cu124", filename="torch-2.6.0+cu124-py3-none-any.whl", sha256="0" * 64
    )
    assert _wheel(wheel).purl == "pkg:pypi/torch@2.6.0%2Bcu124?file_name=torch-2.6.0%2Bcu124-py3-none-any.whl"
