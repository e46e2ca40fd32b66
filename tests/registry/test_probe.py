"""What a registry supports, measured: each kind is told apart, and nothing that was there is changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import personalities
from support.fake_registry import FakeRegistry
from support.images import tree
from support.personalities import Personality

from cogpack.errors import DeniedError
from cogpack.http import Http
from cogpack.images.referrers import ArtifactFile
from cogpack.oci import OCI_CONFIG, OCI_MANIFEST, Descriptor, Manifest, encode
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.probe import Probed, probe
from cogpack.registry.repository import Repository

pytestmark = pytest.mark.slow


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


def repository(http: Http, address: str, environment: dict[str, str] | None = None) -> Repository:
    credentials = Credentials.from_environment(environment or {"HOME": "/nonexistent"})
    return Repository(http, Reference.parse(f"{address}/some/name"), credentials, actions=("pull", "push"))


def probed(http: Http, address: str) -> Probed:
    return probe(repository(http, address), repository(http, address))


def verdicts(found: Probed) -> dict[str, bool | None]:
    return {finding.what: finding.works for finding in found.findings}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("personality", "shapes", "differs"),
    [
        (personalities.DIST28, ("put", "stream", "chunks"), {"chunk order": False}),
        (personalities.DIST3, ("put", "stream", "chunks"), {}),
        (personalities.QUAY, ("put", "stream", "chunks"), {}),
        (personalities.ECR, ("put", "stream", "chunks"), {}),
        (personalities.GITEA, ("put", "stream", "chunks"), {}),
        (personalities.GAR, ("put", "stream"), {"chunks": False, "chunk order": False}),
        (personalities.HARBOR, ("put", "stream", "chunks"), {"mount": False}),
        (personalities.CLOUDFLARE, ("chunks", "put"), {"stream": False}),
        (Personality("no ranges", ranges=False), ("put", "stream", "chunks"), {"range": False, "open range": False}),
    ],
    ids=lambda value: value.name if isinstance(value, Personality) else "",
)
def test_each_kind_of_registry_is_told_by_what_it_does(
    http: Http, personality: Personality, shapes: tuple[str, ...], differs: dict[str, bool]
) -> None:
    with FakeRegistry(personality).running() as registry:
        found = probed(http, registry.address)
    usual = dict.fromkeys(("put", "stream", "chunks", "chunk order", "range", "open range", "mount", "manifest"), True)
    expected = usual | {"anonymous pull": True, "tag parameter": False} | differs
    assert {what: works for what, works in verdicts(found).items() if what in expected} == expected
    assert found.profile.shapes == shapes
    assert not registry.sessions


def test_without_a_login_a_closed_registry_is_not_pulled_from(http: Http) -> None:
    with FakeRegistry(auth="basic").running() as registry:
        config = f'{{"auths": {{"{registry.address}": {{"username": "user", "password": "open sesame"}}}}}}'
        mine = repository(http, registry.address, {"DOCKER_AUTH_CONFIG": config, "HOME": "/nonexistent"})
        found = probe(mine, repository(http, registry.address))
        assert verdicts(found)["put"] is True
        assert verdicts(found)["anonymous pull"] is False
        with pytest.raises(DeniedError):
            probed(http, registry.address)


def test_the_row_is_what_the_table_of_profiles_would_hold(http: Http) -> None:
    from cogpack.registry.profiles import Profile

    with FakeRegistry(personalities.GAR).running() as registry:
        found = probed(http, registry.address)
    assert eval(found.row, {"Profile": Profile}) == found.profile
    assert "chunk=" not in found.row


def test_what_is_in_the_repository_stays_and_what_stays_of_the_probe_is_told(
    http: Http, address: str, tmp_path: Path
) -> None:
    mine = repository(http, address)
    config = ArtifactFile(media_type=OCI_CONFIG, data=b"{}")
    mine.upload([config.data], descriptor=config.descriptor, finished=lambda: config.descriptor.digest)
    data = encode(Manifest(schema_version=2, media_type=OCI_MANIFEST, config=config.descriptor, layers=[]))
    mine.put_manifest(data, OCI_MANIFEST, "v1")
    before = mine.manifest("v1")
    found = probed(http, address)
    assert {what for what, works in verdicts(found).items() if works} >= {
        "put", "stream", "chunks", "range", "open range", "mount", "manifest", "anonymous pull",
    }  # fmt: skip
    assert mine.manifest("v1") == before
    assert mine.has_blob(config.descriptor)
    told = {line.rpartition(" ")[2] for line in found.left}
    for finding in found.findings:
        if finding.what.startswith("delete "):
            assert finding.works == (not [line for line in found.left if line.startswith(finding.what[7:])])
    for digest in told:
        kept = Descriptor(media_type="", digest=digest, size=0)  # type: ignore[arg-type]
        url = f"{mine.requests.base}/blobs/{kept.digest}"
        assert mine.manifest(digest) or mine.requests.request("HEAD", url).status == 200
    assert not [name for name in tree(tmp_path / "registry") if "cogpack-probe" in name]
