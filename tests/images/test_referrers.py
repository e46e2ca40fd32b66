"""Referrers, listed by the registry or under the fallback tag."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.fake_http import Answer, Fake, Request, serving
from support.images import attach

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, InputError, UnavailableError
from cogpack.http import Http
from cogpack.images import referrers
from cogpack.images.graph import Node
from cogpack.images.interface import WritableImages
from cogpack.images.layout import LayoutImages
from cogpack.images.referrers import ArtifactFile, fallback_tag
from cogpack.images.registry import RegistryImages
from cogpack.layout import Layout
from cogpack.oci import MADE_LIMIT, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from cogpack.progress import Cancellation
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.repository import Repository

pytestmark = pytest.mark.slow

SUBJECT = Digest("sha256:" + "5" * 64)
TAG = fallback_tag(SUBJECT)
MANIFEST = b'{"schemaVersion":2,"subject":"not looked at here"}'
OWN = Descriptor(media_type=OCI_MANIFEST, digest=sha256(MANIFEST), size=len(MANIFEST))
NODE = Node(
    descriptor=OWN,
    data=MANIFEST,
    document=Manifest(
        schema_version=2,
        artifact_type="application/x-sbom",
        config=OWN,
        layers=[],
        subject=Descriptor(media_type=OCI_MANIFEST, digest=SUBJECT, size=9),
        annotations={"made": "here"},
    ),
)
ENTRY = NODE.entry


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


def images(http: Http, address: str, name: str = "a/b") -> RegistryImages:
    credentials = Credentials.from_environment({"HOME": "/nonexistent"})
    reference = Reference.parse(f"{address}/{name}")
    return RegistryImages(Repository(http, reference, credentials, actions=("pull", "push")))


def entry(number: int, kind: str = "application/x-sbom", **more: Any) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 9, "artifactType": kind} | more


def index(*entries: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries} | more).encode()


def listed(body: bytes, link: str = "") -> Answer:
    return 200, {"Content-Type": OCI_INDEX} | ({"Link": link} if link else {}), body


class Tags:
    """A registry without the API that keeps manifests; `after_put` may change what was put."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.after_put: Callable[[str], None] = lambda ref: None

    def __call__(self, request: Request) -> Answer:
        ref = request.path.rpartition("/")[2]
        if "/referrers/" in request.path:
            return 404, {"Content-Type": "text/plain"}, b"404 page not found\n"
        if request.method == "PUT":
            self.kept[ref] = request.body
            self.after_put(ref)
            return 201, {"Docker-Content-Digest": sha256(request.body)}, b""
        if ref not in self.kept:
            return 404, {}, b""
        return listed(self.kept[ref])

    @property
    def entries(self) -> list[dict[str, Any]]:
        return list(json.loads(self.kept[TAG])["manifests"])


def asked(fake: Fake) -> list[str]:
    return [f"{request.method} {request.path.removeprefix('/v2/a/b/')}" for request in fake.seen]


# Listing


def test_all_pages_are_read_and_a_referrer_on_two_of_them_counts_once(http: Http) -> None:
    pages = {
        "": listed(index(entry(1), entry(2)), f'</v2/a/b/referrers/{SUBJECT}?after=2>; rel="next"'),
        "after=2": listed(index(entry(2), entry(3)), "<?after=3>; rel=next, <?before>; rel=prev"),
        "after=3": listed(index(entry(4))),
    }
    with serving(lambda request: pages[request.path.partition("?")[2]]) as fake:
        found = images(http, fake.address).referrers(SUBJECT)
    assert [item.digest for item in found] == [entry(number)["digest"] for number in (1, 2, 3, 4)]


def test_the_filter_is_ours_whatever_the_registry_does_with_it(http: Http) -> None:
    answer = listed(index(entry(1), entry(2, "application/x-other+json")))
    with serving(lambda request: answer) as fake:
        found = images(http, fake.address).referrers(SUBJECT, artifact_type="application/x-other+json")
        assert [item.digest for item in found] == [entry(2)["digest"]]
        assert fake.seen[0].path.endswith("?artifactType=application%2Fx-other%2Bjson")


def test_an_empty_list_is_an_answer(http: Http) -> None:
    with serving(lambda request: listed(index())) as fake:
        assert images(http, fake.address).referrers(SUBJECT) == ()
    assert len(fake.seen) == 1


@pytest.mark.parametrize(
    "without",
    [
        (404, {"Content-Type": "text/plain"}, b"404 page not found\n"),
        (404, {}, b'{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        (400, {}, b"no such route"),
        (405, {}, b""),
        (200, {"Content-Type": "text/html"}, b"<html>a proxy's page</html>"),
    ],
    ids=["text", "json", "route", "method", "page"],
)
def test_without_the_api_the_fallback_tag_is_read(http: Http, without: Answer) -> None:
    def script(request: Request) -> Answer:
        return without if "/referrers/" in request.path else listed(index(entry(1), entry(1), entry(2, "x/y")))

    with serving(script) as fake:
        found = images(http, fake.address).referrers(SUBJECT, artifact_type="application/x-sbom")
        assert [item.digest for item in found] == [entry(1)["digest"]]
        assert asked(fake)[-1] == f"GET manifests/{TAG}"


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500])
def test_a_refused_or_broken_list_is_no_empty_list(http: Http, status: int) -> None:
    with serving(lambda request: (status, {}, b"")) as fake:
        with pytest.raises(CogpackError):
            images(http, fake.address).referrers(SUBJECT)
    assert f"GET manifests/{TAG}" not in asked(fake)


def test_without_api_and_tag_nothing_refers_to_it(http: Http) -> None:
    with serving(Tags()) as fake:
        assert images(http, fake.address).referrers(SUBJECT) == ()


def test_pages_that_go_in_a_circle_end(http: Http) -> None:
    with serving(lambda request: listed(index(entry(1)), "<?again>; rel=next")) as fake:
        assert len(images(http, fake.address).referrers(SUBJECT)) == 1
    assert len(fake.seen) == 2


@pytest.mark.parametrize("empty", [False, True])
def test_pages_without_end_are_refused(http: Http, monkeypatch: pytest.MonkeyPatch, empty: bool) -> None:
    monkeypatch.setattr(referrers, "LIMIT", 10)

    def script(request: Request) -> Answer:
        number = int(request.path.partition("?")[2] or 1)
        return listed(index() if empty else index(entry(number)), f"<?{number + 1}>; rel=next")

    with serving(script) as fake:
        with pytest.raises(InputError, match="more than 10 referrers"):
            images(http, fake.address).referrers(SUBJECT)
    assert len(fake.seen) == 11


def test_the_next_page_may_not_be_at_an_address_that_is_no_web_address(http: Http) -> None:
    with serving(lambda request: listed(index(), "<file:///etc/passwd>; rel=next")) as fake:
        with pytest.raises(InputError, match="not a plain http address"):
            images(http, fake.address).referrers(SUBJECT)


# Putting


def test_a_registry_that_lists_it_itself_needs_no_tag(http: Http) -> None:
    with serving(lambda request: (201, {"OCI-Subject": SUBJECT}, b"")) as fake:
        images(http, fake.address).put_referrer(NODE)
    assert asked(fake) == [f"PUT manifests/{ENTRY.digest}"]
    assert fake.seen[0].body == MANIFEST
    assert fake.seen[0].headers["content-type"] == OCI_MANIFEST


def test_a_registry_that_lists_it_under_something_else_is_no_list(http: Http) -> None:
    tags = Tags()

    def script(request: Request) -> Answer:
        status, headers, body = tags(request)
        return status, {**headers, "OCI-Subject": "sha256:" + "6" * 64}, body

    with serving(script) as fake:
        images(http, fake.address).put_referrer(NODE)
    assert [listed["digest"] for listed in tags.entries] == [ENTRY.digest]


def test_else_it_is_added_to_the_fallback_tag_and_what_others_wrote_there_stays(http: Http) -> None:
    tags = Tags()
    other = entry(1, data="e30=", urls=["https://x.example"])
    tags.kept[TAG] = index(other, annotations={"by": "another client"})
    with serving(tags) as fake:
        images(http, fake.address).put_referrer(NODE)
        images(http, fake.address).put_referrer(NODE)
    assert tags.entries == [
        other,
        {
            "mediaType": OCI_MANIFEST,
            "digest": ENTRY.digest,
            "size": ENTRY.size,
            "annotations": {"made": "here"},
            "artifactType": "application/x-sbom",
        },
    ]
    assert json.loads(tags.kept[TAG])["annotations"] == {"by": "another client"}
    assert asked(fake).count(f"PUT manifests/{TAG}") == 1


def test_several_of_one_subject_are_listed_at_once(http: Http) -> None:
    tags = Tags()
    data = b"{}"
    own = Descriptor(media_type=OCI_MANIFEST, digest=sha256(data), size=len(data))
    with serving(tags) as fake:
        images(http, fake.address).put_referrer(NODE, msgspec.structs.replace(NODE, descriptor=own, data=data))
    assert {item["digest"] for item in tags.entries} == {OWN.digest, own.digest}
    assert (asked(fake).count(f"PUT manifests/{TAG}"), len(fake.seen)) == (1, 5)


def test_an_entry_that_another_client_overwrote_is_added_again(http: Http) -> None:
    tags = Tags()
    lost = iter([True, False])

    def overwrite(ref: str) -> None:
        if ref == TAG and next(lost):
            tags.kept[TAG] = index(entry(1))

    tags.after_put = overwrite
    with serving(tags) as fake:
        images(http, fake.address).put_referrer(NODE)
    assert [item["digest"] for item in tags.entries] == [entry(1)["digest"], ENTRY.digest]


def test_an_entry_that_is_overwritten_each_time_is_an_error_after_three_tries(http: Http) -> None:
    tags = Tags()
    tags.after_put = lambda ref: tags.kept.update({TAG: index()})
    with serving(tags) as fake:
        with pytest.raises(UnavailableError, match="removed by another client"):
            images(http, fake.address).put_referrer(NODE)
    assert asked(fake).count(f"PUT manifests/{TAG}") == 3


def test_a_list_too_long_for_a_registry_is_refused_before_it_is_sent(http: Http) -> None:
    tags = Tags()
    tags.kept[TAG] = index(entry(1, annotations={"long": "x" * (4 * 1024 * 1024 - 400)}))
    with serving(tags) as fake:
        with pytest.raises(InputError, match="larger than registries take"):
            images(http, fake.address).put_referrer(NODE)
    assert f"PUT manifests/{TAG}" not in asked(fake)


def test_an_artifact_too_large_for_a_registry_is_refused_before_its_parts_are_sent(http: Http) -> None:
    part = ArtifactFile(media_type="text/plain", data=b"x", annotations={"long": "x" * MADE_LIMIT})
    subject = Descriptor(media_type=OCI_MANIFEST, digest=SUBJECT, size=9)
    with serving(Tags()) as fake:
        with pytest.raises(InputError, match="bytes"):
            attach(images(http, fake.address), subject, "application/x-note", [part])
    assert fake.seen == []


def test_something_else_under_the_fallback_tag_is_left_alone(http: Http) -> None:
    tags = Tags()
    tags.kept[TAG] = b'{"schemaVersion": 2, "layers": []}'
    with serving(tags) as fake:
        with pytest.raises(InputError, match=TAG):
            images(http, fake.address).put_referrer(NODE)
    assert f"PUT manifests/{TAG}" not in asked(fake)


# Wherever images lie


def test_an_artifact_is_attached_in_a_layout_by_the_same_call(tmp_path: Path) -> None:
    attached_and_found(LayoutImages(Layout.create(tmp_path / "out"), Cancellation()))


def test_an_artifact_that_is_attached_is_found_again(http: Http, address: str) -> None:
    attached_and_found(images(http, address))


def attached_and_found(place: WritableImages) -> None:
    config = ArtifactFile(media_type=OCI_CONFIG, data=b"{}")
    place.put_blob(config.descriptor, config.data)
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    config_entry = {"mediaType": OCI_CONFIG, "digest": config.descriptor.digest, "size": 2}
    data = json.dumps(document | {"config": config_entry}).encode()
    place.put_manifest(data, OCI_MANIFEST, "v1")
    subject = Descriptor(media_type=OCI_MANIFEST, digest=sha256(data), size=len(data))
    sbom = ArtifactFile(
        media_type="application/spdx+json", data=b'{"spdxVersion":"SPDX-2.3"}', annotations={"title": "a.json"}
    )
    first = attach(place, subject, "application/spdx+json", [sbom], {"by": "us"})
    second = attach(place, subject, "application/x-empty")
    assert place.referrers(subject.digest) in ((first, second), (second, first))
    assert place.referrers(subject.digest, artifact_type="application/x-empty") == (second,)
    found = place.manifest(first.digest)
    assert found is not None
    made = json.loads(found.data)
    assert made["subject"] == {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": subject.size}
    assert made["layers"][0]["annotations"] == {"title": "a.json"}
    assert place.blob_bytes(sbom.descriptor, limit=1000) == sbom.data
