"""SPDX and CycloneDX documents of all kinds of parts are sound by the validators of those who write the formats."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from cogpack.digest import DiffID, sha256
from cogpack.lockfile import Decisions, Lock, LockedInterpreter, LockedWheel, RemoteWeight
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, RegistryBase
from cogpack.lockfile.clones import LockedClone
from cogpack.lockfile.hub import LockedHubFile
from cogpack.lockfile.line_pins import LockedFetch
from cogpack.lockfile.model import LockedDistribution, LockedSteps, LockedStepsLayer
from cogpack.sbom import cyclonedx_document, spdx_document

HEX = "0123456789abcdef" * 4
DIGEST = sha256(b"x")
COMMIT = "0123456789" * 4
DEB = LockedDeb(
    name="libstdc++6", version="1:2.3+dfsg-1~deb13u1", arch="amd64", archive="debian", path="p", size=1, sha256=HEX
)
DEBIAN = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=(DEB,))
REGISTRY = RegistryBase(
    reference="registry.test:5000/a/b/base:v1", digest=DIGEST, python="3.12", glibc="2.36",
    interpreter="/usr/bin/python3", config="{}", layers=(),
)  # fmt: skip
WHEELS = (
    LockedWheel(name="torch", version="2.6.0+cu124", filename="torch-2.6.0+cu124-py3-none-any.whl", sha256=HEX),
    LockedWheel(
        name="thing", version="1!2.0rc1", filename="thing-1!2.0rc1-py3-none-any.whl", sha256="1" * 64,
        url="https://h.test/a%20b/thing.whl?x=1&y=2#z",
    ),
)  # fmt: skip
WEIGHTS = (
    RemoteWeight(
        path="src/w", uri="hf://me/model", file="w", revision=COMMIT, size=1, sha256=DIGEST, rule="none", layer_size=1
    ),
    RemoteWeight(
        path="src/v", uri="https://h.test/v ä?a=b", file="v", size=1, sha256=DIGEST, rule="none", layer_size=1
    ),
    RemoteWeight(path="src/u", uri="s3://bucket/u", file="u", size=1, sha256=DIGEST, rule="none", layer_size=1),
)


def lock_of(base: Base) -> Lock:
    """A lock of one platform with each kind of part."""
    steps = LockedSteps(
        key=DIGEST,
        layers=(LockedStepsLayer(name="rest of 'build.run' ä", diff_id=DiffID(sha256(b"y"))),),
        distributions=(LockedDistribution(name="numpy", version="2.0"), LockedDistribution(name="gone")),
    )
    interpreter = LockedInterpreter(version="3.12.4", url="https://h.test/cpython-3.12.4%2B2024.tar.zst", sha256=HEX)
    file = LockedHubFile(repository="me/model", commit=COMMIT, path="a.bin", size=1, sha256=DIGEST)
    decisions = Decisions(
        base=base, interpreter=interpreter, created=1_700_000_000, wheels=WHEELS, clashes=(), steps=steps,
        fetches=(LockedFetch(url="https://h.test/x/y.pth?download=1", sha256=HEX, size=1),),
        clones=(LockedClone(url="https://github.com/a/b.git", directory="src/b", commit=COMMIT),), hub_files=(file,),
    )  # fmt: skip
    return Lock(
        version=2, requires="cogpack>=0.2.0", format=2, inputs={}, platforms={"linux/amd64": decisions}, weights=WEIGHTS
    )


@pytest.mark.parametrize("base", [DEBIAN, REGISTRY], ids=["debian", "registry"])
def test_a_document_of_all_kinds_of_parts_is_sound(base: Base, tmp_path: Path) -> None:
    name, lock = "registry.test:5000/me/model:v1", lock_of(base)
    (tmp_path / "model.spdx.json").write_bytes(spdx_document(name, lock))
    found = parse_file(str(tmp_path / "model.spdx.json"))
    assert [message.validation_message for message in validate_full_spdx_document(found)] == []
    cyclonedx = cyclonedx_document(name, lock).decode()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(cyclonedx) is None
    purls = [component["purl"] for component in json.loads(cyclonedx)["components"]]
    assert len(purls) == len(found.packages) - 1
    assert {PackageURL.from_string(purl).type for purl in purls} >= {"generic", "huggingface", "pypi"}
    assert [PackageURL.from_string(purl).to_string() for purl in purls] == purls


def test_the_validators_find_what_is_wrong(tmp_path: Path) -> None:
    spdx = spdx_document("m", lock_of(DEBIAN)).replace(b"CC0-1.0", b"MIT").replace(b'"SHA256"', b'"SHA999"')
    (tmp_path / "model.spdx.json").write_bytes(spdx)
    with pytest.raises(Exception, match="SHA999"):
        validate_full_spdx_document(parse_file(str(tmp_path / "model.spdx.json")))
    wrong = cyclonedx_document("m", lock_of(DEBIAN)).replace(b'"SHA-256"', b'"SHA-999"')
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(wrong.decode()) is not None
