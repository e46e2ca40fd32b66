"""The referrers API of our server (distribution-spec, "Listing Referrers")."""

import json
from typing import Any

import httpx
import pytest
from support.wire import CONFIG, INDEX, MANIFEST, descriptor_of, digest_of, manifest_of, push_blob, put_manifest

IMAGE = manifest_of(b"{}")
SUBJECT = digest_of(IMAGE)


@pytest.fixture
def client(ours: httpx.Client) -> httpx.Client:
    push_blob(ours, "a", b"{}")
    return ours


def put_referrer(client: httpx.Client, document: dict[str, Any], media_type: str = MANIFEST) -> str:
    data = json.dumps({**document, "subject": descriptor_of(IMAGE, MANIFEST)}).encode()
    answer = put_manifest(client, "a", digest_of(data), data, media_type)
    assert (answer.status_code, answer.headers["OCI-Subject"]) == (201, SUBJECT)
    return digest_of(data)


def manifest(**fields: object) -> dict[str, Any]:
    return {**json.loads(manifest_of(b"{}")), **fields}


def listed(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    answer = client.get(f"/a/referrers/{SUBJECT}", params=query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, INDEX)
    found: list[dict[str, Any]] = answer.json()["manifests"]
    return found


def test_a_referrer_may_come_before_its_subject(client: httpx.Client) -> None:
    digest = put_referrer(client, manifest(artifactType="text/plain"))
    assert [entry["digest"] for entry in listed(client)] == [digest]
    assert put_manifest(client, "a", "v1", IMAGE).status_code == 201
    assert [entry["digest"] for entry in listed(client)] == [digest]


@pytest.mark.parametrize(
    ("document", "media_type", "kind"),
    [
        (manifest(artifactType="text/plain"), MANIFEST, "text/plain"),
        (manifest(), MANIFEST, CONFIG),
        (manifest(artifactType=""), MANIFEST, CONFIG),
        ({"schemaVersion": 2, "manifests": [], "artifactType": "text/plain"}, INDEX, "text/plain"),
        ({"schemaVersion": 2, "manifests": []}, INDEX, None),
    ],
)
def test_the_type_of_a_referrer_is_its_own_or_that_of_its_config(
    client: httpx.Client, document: dict[str, Any], media_type: str, kind: str | None
) -> None:
    put_referrer(client, document, media_type)
    (entry,) = listed(client)
    assert (entry["mediaType"], entry.get("artifactType")) == (media_type, kind)
    assert len(listed(client, artifactType="text/plain")) == (kind == "text/plain")


@pytest.mark.slow
def test_a_list_too_long_for_one_manifest_comes_in_pages(client: httpx.Client) -> None:
    wanted = [
        put_referrer(client, manifest(artifactType=kind, annotations={"n": str(number), "x": "x" * 1_500_000}))
        for number in range(5)
        for kind in ("a/a", "b/b")
    ][::2]
    found: list[str] = []
    url, pages = f"/a/referrers/{SUBJECT}?artifactType=a/a", 0
    while url:
        answer = client.get(url)
        assert len(answer.content) < 4 << 20
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        found += [entry["digest"] for entry in answer.json()["manifests"]]
        url = answer.links["next"]["url"].removeprefix("/v2") if "next" in answer.links else ""
        pages += 1
    assert (found, pages) == (sorted(wanted), 3)


def test_a_deleted_referrer_is_listed_no_more(client: httpx.Client) -> None:
    digest = put_referrer(client, manifest())
    assert client.delete(f"/a/manifests/{digest}").status_code == 202
    assert listed(client) == []


def test_referrers_are_those_of_one_repository(client: httpx.Client) -> None:
    put_referrer(client, manifest())
    assert client.get(f"/b/referrers/{SUBJECT}").json()["manifests"] == []
