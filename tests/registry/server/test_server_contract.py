"""What any registry promises (distribution-spec v1.1): ours and the real docker-registry alike."""

import json
import random
import socket

import httpx
import pytest
from support.wire import (
    INDEX,
    MANIFEST,
    begin,
    codes,
    descriptor_of,
    digest_of,
    finish,
    location,
    manifest_of,
    push_blob,
    put_manifest,
)

ACCEPT = {"Accept": f"{MANIFEST}, {INDEX}"}
DATA = random.Random(1).randbytes(300_000)


def test_the_base_says_that_the_api_is_there(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"


@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=len)
def test_a_blob_put_whole_comes_back_whole(client: httpx.Client, data: bytes) -> None:
    digest = push_blob(client, "a/b", data)
    head = client.head(f"/a/b/blobs/{digest}")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(data)
    assert head.headers["Docker-Content-Digest"] == digest
    assert client.get(f"/a/b/blobs/{digest}").content == data


def test_a_blob_streamed_in_one_chunked_patch_is_committed_by_an_empty_put(client: httpx.Client) -> None:
    started = begin(client, "a")
    pieces = (DATA[at : at + 1000] for at in range(0, len(DATA), 1000))
    patched = client.patch(location(client, started), content=pieces)
    assert patched.status_code == 202
    assert patched.headers["Range"] == f"0-{len(DATA) - 1}"
    created = finish(client, patched, digest_of(DATA))
    assert created.status_code == 201
    assert created.headers["Docker-Content-Digest"] == digest_of(DATA)
    assert client.get(f"/a/blobs/{digest_of(DATA)}").content == DATA


def test_chunks_in_order_make_one_blob_and_the_last_may_ride_on_the_put(client: httpx.Client) -> None:
    answer = begin(client, "a")
    for at in range(0, 200_000, 100_000):
        chunk = DATA[at : at + 100_000]
        content_range = {"Content-Range": f"{at}-{at + len(chunk) - 1}"}
        answer = client.patch(location(client, answer), content=chunk, headers=content_range)
        assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{at + len(chunk) - 1}")
    status = client.get(location(client, answer))
    assert (status.status_code, status.headers["Range"]) == (204, "0-199999")
    answer = finish(client, answer, digest_of(DATA), DATA[200_000:])
    assert answer.status_code == 201
    assert client.get(f"/a/blobs/{digest_of(DATA)}").content == DATA


def test_bytes_with_another_digest_are_refused_and_never_seen(client: httpx.Client) -> None:
    wanted = digest_of(DATA)
    answer = finish(client, begin(client, "a"), wanted, DATA[:-1])
    assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert client.head(f"/a/blobs/{wanted}").status_code == 404
    assert client.head(f"/a/blobs/{digest_of(DATA[:-1])}").status_code == 404


def test_a_cancelled_upload_is_gone(client: httpx.Client) -> None:
    answer = begin(client, "a")
    assert client.delete(location(client, answer)).status_code == 204
    gone = client.get(location(client, answer))
    assert (gone.status_code, codes(gone)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


def test_a_mount_from_a_repository_that_has_the_blob_moves_no_bytes(client: httpx.Client) -> None:
    digest = push_blob(client, "library/base", DATA)
    answer = begin(client, "me/model", mount=digest, **{"from": "library/base"})
    assert answer.status_code == 201
    assert client.get(f"/me/model/blobs/{digest}").content == DATA


def test_a_mount_of_a_blob_that_is_not_there_opens_an_upload(client: httpx.Client) -> None:
    answer = begin(client, "me/model", mount=digest_of(DATA), **{"from": "library/base"})
    assert answer.status_code == 202
    assert finish(client, answer, digest_of(DATA), DATA).status_code == 201


def test_a_blob_is_seen_only_in_repositories_that_have_it(client: httpx.Client) -> None:
    digest = push_blob(client, "one", DATA)
    answer = client.get(f"/two/blobs/{digest}")
    assert (answer.status_code, codes(answer)) == (404, ["BLOB_UNKNOWN"])


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=299990-", 299_990, 300_000),
        ("bytes=-5", 299_995, 300_000),
    ],
)
def test_a_range_of_a_blob_is_answered_with_just_that_part(
    client: httpx.Client, asked: str, start: int, end: int
) -> None:
    digest = push_blob(client, "a", DATA)
    answer = client.get(f"/a/blobs/{digest}", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert answer.content == DATA[start:end]


def test_a_range_beyond_the_end_is_cut_to_it(client: httpx.Client) -> None:
    digest = push_blob(client, "a", b"0123456789")
    answer = client.get(f"/a/blobs/{digest}", headers={"Range": "bytes=4-999"})
    assert (answer.status_code, answer.content) == (206, b"456789")


def test_a_range_behind_the_end_is_refused(client: httpx.Client) -> None:
    digest = push_blob(client, "a", b"0123456789")
    # The real registry's 416 announces more bytes than it sends, so the body is left alone.
    with client.stream("GET", f"/a/blobs/{digest}", headers={"Range": "bytes=10-20"}) as answer:
        assert answer.status_code == 416


def test_a_manifest_is_found_by_tag_and_by_digest_with_its_media_type(client: httpx.Client) -> None:
    push_blob(client, "a", b"{}")
    push_blob(client, "a", DATA)
    data = manifest_of(b"{}", DATA)
    created = put_manifest(client, "a", "v1", data)
    assert created.status_code == 201
    assert created.headers["Docker-Content-Digest"] == digest_of(data)
    for reference in ("v1", digest_of(data)):
        got = client.get(f"/a/manifests/{reference}", headers=ACCEPT)
        assert (got.status_code, got.content) == (200, data)
        assert got.headers["Content-Type"] == MANIFEST
        head = client.head(f"/a/manifests/{reference}", headers=ACCEPT)
        assert head.headers["Docker-Content-Digest"] == digest_of(data)
        assert (int(head.headers["Content-Length"]), head.content) == (len(data), b"")


def test_a_manifest_put_by_digest_has_no_tag(client: httpx.Client) -> None:
    push_blob(client, "a", b"{}")
    data = manifest_of(b"{}")
    assert put_manifest(client, "a", digest_of(data), data).status_code == 201
    assert client.get(f"/a/manifests/{digest_of(data)}", headers=ACCEPT).content == data
    assert client.get("/a/manifests/latest", headers=ACCEPT).status_code == 404


def test_a_manifest_whose_blobs_are_missing_is_refused(client: httpx.Client) -> None:
    push_blob(client, "a", b"{}")
    answer = put_manifest(client, "a", "v1", manifest_of(b"{}", DATA))
    assert answer.status_code == 400
    assert set(codes(answer)) <= {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}
    assert client.head("/a/manifests/v1", headers=ACCEPT).status_code == 404


def test_a_manifest_under_another_digest_is_refused(client: httpx.Client) -> None:
    push_blob(client, "a", b"{}")
    answer = put_manifest(client, "a", digest_of(b"other"), manifest_of(b"{}"))
    assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])


def test_a_body_that_is_no_manifest_is_refused(client: httpx.Client) -> None:
    answer = put_manifest(client, "a", "v1", b'{"schemaVersion": 2, "mediaType": "%s"' % MANIFEST.encode())
    assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])


def test_an_index_needs_its_manifests_and_is_found_by_its_own_media_type(client: httpx.Client) -> None:
    push_blob(client, "a", b"{}")
    child = manifest_of(b"{}")
    platform = {"platform": {"os": "linux", "architecture": "arm64"}}
    entries = [descriptor_of(child, MANIFEST) | platform]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    early = put_manifest(client, "a", "multi", index, INDEX)
    assert early.status_code == 400
    assert put_manifest(client, "a", digest_of(child), child).status_code == 201
    assert put_manifest(client, "a", "multi", index, INDEX).status_code == 201
    got = client.get("/a/manifests/multi", headers=ACCEPT)
    assert (got.headers["Content-Type"], got.content) == (INDEX, index)


def test_a_moved_tag_leaves_the_old_image_reachable_by_digest(client: httpx.Client) -> None:
    push_blob(client, "a", b"{}")
    push_blob(client, "a", b"{ }")
    old, new = manifest_of(b"{}"), manifest_of(b"{ }")
    for data in (old, new):
        assert put_manifest(client, "a", "v1", data).status_code == 201
    assert client.get("/a/manifests/v1", headers=ACCEPT).content == new
    assert client.get(f"/a/manifests/{digest_of(old)}", headers=ACCEPT).content == old


def test_tags_are_listed_in_order_and_an_unknown_repository_has_none(client: httpx.Client) -> None:
    push_blob(client, "a/b", b"{}")
    for tag in ("v2", "latest", "v1"):
        put_manifest(client, "a/b", tag, manifest_of(b"{}"))
    assert client.get("/a/b/tags/list").json() == {"name": "a/b", "tags": ["latest", "v1", "v2"]}
    unknown = client.get("/a/tags/list")
    assert (unknown.status_code, codes(unknown)) == (404, ["NAME_UNKNOWN"])


def test_an_upload_belongs_to_its_repository(client: httpx.Client) -> None:
    identity = begin(client, "one").headers["Docker-Upload-UUID"]
    answer = client.patch(f"/two/blobs/uploads/{identity}", content=b"x")
    assert answer.status_code == 404


def test_a_malformed_digest_is_no_blob(client: httpx.Client) -> None:
    assert client.get("/a/blobs/sha256:ABC").status_code in (400, 404)


def test_a_body_that_is_cut_off_makes_no_blob(address: str, client: httpx.Client) -> None:
    url = location(client, begin(client, "a")).copy_add_param("digest", digest_of(DATA))
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        path = url.raw_path.decode()
        head = f"PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(DATA)}\r\n\r\n"
        connection.sendall(head.encode() + DATA[:100_000])
    assert client.head(f"/a/blobs/{digest_of(DATA)}").status_code == 404
    assert push_blob(client, "a", DATA) == digest_of(DATA)
