"""What our server promises beyond the API: its directory, its limits, its end."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from support import plain
from support.validate import validate_layout
from support.wire import (
    CONFIG,
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

from cogpack.errors import InputError
from cogpack.layout import Incoming
from cogpack.registry.server import Server
from cogpack.registry.server.patience import Patience

pytestmark = pytest.mark.slow

PARTS = ["blobs", "index.json", "oci-layout", "repositories"]
DATA = bytes(range(256)) * 4096


def raw(server: Server, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to `request`, sent as it is."""
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


@pytest.mark.parametrize(
    "name",
    ["..", "a/../b", "a//b", "A", "a/%2e%2e/%2e%2e/etc", ".a", "_blobs", "a/_blobs", "a%00b", "a:b", "a@b", "x" * 256],
)
def test_a_name_outside_the_grammar_never_reaches_the_disk(server: Server, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    status, body = raw(server, f"POST /v2/{name}/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (status, json.loads(body)["errors"][0]["code"]) == (400, "NAME_INVALID")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "digest", ["sha256:..", "sha256:" + "A" * 64, "sha512:" + "a" * 128, "sha256:" + "a" * 63, "..:x"]
)
def test_a_digest_outside_the_grammar_never_reaches_the_disk(ours: httpx.Client, digest: str) -> None:
    for path in (f"/a/blobs/{digest}", f"/a/manifests/{digest}"):
        answer = ours.get(path)
        assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    answer = finish(ours, begin(ours, "a"), digest, b"x")
    assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])


def test_a_blob_posted_with_its_digest_is_stored_in_one_request(ours: httpx.Client) -> None:
    answer = ours.post("/a/blobs/uploads/", params={"digest": digest_of(DATA)}, content=DATA)
    assert answer.status_code == 201
    assert ours.get(f"/a/blobs/{digest_of(DATA)}").content == DATA


def test_a_chunk_out_of_order_is_refused_with_the_place_to_go_on(ours: httpx.Client) -> None:
    started = begin(ours, "a")
    first = ours.patch(location(ours, started), content=DATA[:100], headers={"Content-Range": "0-99"})
    for wrong in ("200-299", "0-99", "bytes 100-199/200", "199-100"):
        answer = ours.patch(location(ours, first), content=DATA[200:300], headers={"Content-Range": wrong})
        assert (answer.status_code, codes(answer)) == (416, ["BLOB_UPLOAD_INVALID"])
        assert answer.headers["Range"] == "0-99"
    assert finish(ours, answer, digest_of(DATA), DATA[100:]).status_code == 201


@pytest.mark.parametrize("size", [99, 101])
def test_a_chunk_longer_or_shorter_than_it_says_is_refused(ours: httpx.Client, size: int) -> None:
    said = {"Content-Range": "0-99"}
    at_once = ours.patch(location(ours, begin(ours, "a")), content=DATA[:size], headers=said)
    assert (at_once.status_code, codes(at_once), at_once.headers["Range"]) == (400, ["SIZE_INVALID"], "0-0")
    streamed = ours.patch(location(ours, begin(ours, "a")), content=iter([DATA[:size]]), headers=said)
    assert (streamed.status_code, codes(streamed)) == (400, ["SIZE_INVALID"])
    assert finish(ours, streamed, digest_of(DATA), DATA[size:]).status_code == 201  # what came, stays


def test_a_piece_that_the_disk_took_by_half_ends_the_upload(
    ours: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = begin(ours, "a")
    whole = Incoming.write

    def half(self: Incoming, block: bytes | memoryview) -> None:
        whole(self, block[: len(block) // 2])
        raise InputError("no space left", next_step="make room")

    monkeypatch.setattr(Incoming, "write", half)
    answer = ours.patch(location(ours, started), content=DATA)
    assert answer.status_code == 500
    monkeypatch.undo()
    # Had it gone on where the hash stands, a blob with half a piece too much would pass for whole.
    assert finish(ours, started, digest_of(DATA), DATA).status_code == 404
    assert push_blob(ours, "a", DATA) == digest_of(DATA)


def test_bytes_of_another_digest_end_their_upload(ours: httpx.Client) -> None:
    upload = begin(ours, "a")
    assert codes(finish(ours, upload, digest_of(b"y"), b"x")) == ["DIGEST_INVALID"]
    assert ours.get(location(ours, upload)).status_code == 404


def test_a_cut_patch_can_be_resumed_where_the_status_says(server: Server, ours: httpx.Client) -> None:
    url = location(ours, begin(ours, "a"))
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"PATCH {url.raw_path.decode()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(DATA)}\r\n\r\n"
        connection.sendall(head.encode() + DATA[:300_000])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""  # the server has noticed
    status = ours.get(url)
    assert status.headers["Range"] == "0-299999"
    assert finish(ours, status, digest_of(DATA), DATA[300_000:]).status_code == 201


def test_all_that_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        with Server(tmp_path / "registry") as server, plain.client(base_url=f"http://{server.address}/v2") as client:
            if turn == 0:
                push_blob(client, "a", b"{}")
                put_manifest(client, "a", "v1", manifest_of(b"{}"))
                begin(client, "a")
            else:
                assert client.get("/a/manifests/v1").content == manifest_of(b"{}")
                assert client.get(f"/a/blobs/{digest_of(b'{}')}").content == b"{}"
    assert sorted(path.name for path in (tmp_path / "registry").iterdir()) == PARTS


def test_a_directory_has_one_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another registry serves"):
        Server(tmp_path / "registry")


def test_what_a_killed_server_left_unfinished_is_swept_at_the_next_start(tmp_path: Path) -> None:
    with Server(tmp_path / "registry"):
        pass
    (tmp_path / "registry" / ".cogpack-0123").write_bytes(b"half a blob")
    with Server(tmp_path / "registry"):
        assert sorted(path.name for path in (tmp_path / "registry").iterdir()) == PARTS[:3]


def test_its_directory_is_an_oci_layout_with_the_tags_as_names(
    server: Server, ours: httpx.Client, tmp_path: Path
) -> None:
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    ).encode()
    push_blob(ours, "me/model", config)
    put_manifest(ours, "me/model", "v1", manifest_of(config))
    put_manifest(ours, "me/model", "latest", manifest_of(config))
    for name in ("me/model:v1", "me/model:latest"):
        assert validate_layout(tmp_path / "registry", name).manifest_bytes == manifest_of(config)


def test_tags_come_in_pages(ours: httpx.Client) -> None:
    push_blob(ours, "a", b"{}")
    for tag in ("a", "b", "c", "d", "e"):
        put_manifest(ours, "a", tag, manifest_of(b"{}"))
    seen: list[str] = []
    url: str | None = "/a/tags/list?n=2"
    while url:
        answer = ours.get(url)
        seen += answer.json()["tags"]
        url = answer.links["next"]["url"].removeprefix("/v2") if "next" in answer.links else None
    assert seen == ["a", "b", "c", "d", "e"]
    assert ours.get("/a/tags/list?n=0").json()["tags"] == []
    assert ours.get("/a/tags/list?last=c").json()["tags"] == ["d", "e"]
    assert ours.get("/a/tags/list?n=-1").status_code == 400


def test_a_deleted_manifest_takes_its_tags_along_for_good(ours: httpx.Client) -> None:
    push_blob(ours, "a", b"{}")
    gone, stays = manifest_of(b"{}"), manifest_of(b"{}", b"{}")
    for tag, data in (("one", gone), ("two", gone), ("three", stays)):
        put_manifest(ours, "a", tag, data)
    assert ours.delete(f"/a/manifests/{digest_of(gone)}").status_code == 202
    assert ours.get("/a/tags/list").json()["tags"] == ["three"]
    put_manifest(ours, "a", digest_of(gone), gone)
    assert ours.get("/a/manifests/one").status_code == 404
    assert ours.get("/a/manifests/three").status_code == 200


def test_tags_of_a_repository_are_not_those_of_one_with_a_longer_name(ours: httpx.Client) -> None:
    for name in ("a", "a/b"):
        push_blob(ours, name, b"{}")
        put_manifest(ours, name, name.replace("/", "-"), manifest_of(b"{}"))
    assert ours.get("/a/tags/list").json()["tags"] == ["a"]


def test_all_that_can_be_got_can_be_asked_for_its_head(ours: httpx.Client) -> None:
    push_blob(ours, "a", b"{}")
    put_manifest(ours, "a", "v1", manifest_of(b"{}"))
    upload = location(ours, begin(ours, "a"))
    for path in ("/", "/a/tags/list", f"/a/referrers/{digest_of(b'')}", "/a/manifests/v1", str(upload)):
        got, head = ours.get(path), ours.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers.get("Content-Length") == got.headers.get("Content-Length")


def test_a_range_of_another_version_is_answered_with_the_whole(ours: httpx.Client) -> None:
    digest = push_blob(ours, "a", b"0123456789")
    for condition, status in ((f'"{digest}"', 206), ('"other"', 200)):
        answer = ours.get(f"/a/blobs/{digest}", headers={"Range": "bytes=1-2", "If-Range": condition})
        assert answer.status_code == status


def test_too_many_tags_in_one_request_are_refused(ours: httpx.Client) -> None:
    push_blob(ours, "a", b"{}")
    data = manifest_of(b"{}")
    query = "&".join(f"tag=t{number}" for number in range(101))
    assert put_manifest(ours, "a", f"{digest_of(data)}?{query}", data).status_code == 414
    assert put_manifest(ours, "a", f"{digest_of(data)}?tag=ok&tag=no/tag", data).status_code == 400
    assert ours.get(f"/a/manifests/{digest_of(data)}").status_code == 404


def test_a_manifest_of_more_than_four_mebibytes_is_refused_and_the_connection_lives(ours: httpx.Client) -> None:
    big = b'{"schemaVersion": 2, "x": "' + b"x" * (4 << 20) + b'"}'
    answer = put_manifest(ours, "a", "v1", big)
    assert (answer.status_code, codes(answer)) == (413, ["SIZE_INVALID"])
    assert "Connection" not in answer.headers
    chunked = ours.put(
        "/a/manifests/v1",
        content=(big[at : at + 65536] for at in range(0, len(big), 65536)),
        headers={"Content-Type": MANIFEST},
    )
    assert chunked.status_code == 413


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"schemaVersion": 1}',
        b'{"schemaVersion": 2, "mediaType": "%s", "config": {}, "layers": []}' % MANIFEST.encode(),
        json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX, "config": descriptor_of(b"{}", CONFIG), "layers": []}
        ).encode(),
        json.dumps({"schemaVersion": 2, "config": descriptor_of(b"{}", CONFIG) | {"size": 3}, "layers": []}).encode(),
        json.dumps({"schemaVersion": 2, "config": descriptor_of(b"{}", CONFIG) | {"size": -2}, "layers": []}).encode(),
    ],
    ids=["empty", "list", "deep", "schema 1", "no config", "other type", "wrong size", "negative size"],
)
def test_a_manifest_that_is_not_what_its_type_says_is_refused(ours: httpx.Client, document: bytes) -> None:
    push_blob(ours, "a", b"{}")
    answer = put_manifest(ours, "a", "v1", document)
    assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])


def test_a_media_type_that_is_no_manifest_is_refused(ours: httpx.Client) -> None:
    push_blob(ours, "a", b"{}")
    answer = put_manifest(ours, "a", "v1", manifest_of(b"{}"), "application/json")
    assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: -3",
        b"Content-Length: 3x",
        b"Transfer-Encoding: gzip, chunked",
    ],
)
def test_a_request_whose_end_is_ambiguous_is_refused(server: Server, header: bytes) -> None:
    request = b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n"
    assert raw(server, request)[0] == 400


@pytest.mark.parametrize("body", [b"zz\r\n", b"-1\r\n", b"3\r\nabcdef\r\n", b"f" * 5000, b"5\r\nab"])
def test_broken_chunks_make_no_blob_and_end_the_connection(server: Server, ours: httpx.Client, body: bytes) -> None:
    url = location(ours, begin(ours, "a"))
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        path = f"{url.raw_path.decode()}?digest={digest_of(b'abc')}"
        head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    assert ours.head(f"/a/blobs/{digest_of(b'abc')}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PATCH", "/v2/a/manifests/v1", 405),
        ("POST", "/v2/a/blobs/uploads", 202),
        ("GET", "/v2", 200),
        ("GET", "/", 404),
        ("GET", "/v3/", 404),
        ("GET", "/v2/_catalog", 404),
        ("GET", "http://[/v2/", 400),
    ],
)
def test_other_paths_and_methods_get_the_answers_of_the_spec(
    server: Server, method: str, path: str, status: int
) -> None:
    found, body = raw(server, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert found == status
    assert status < 400 or json.loads(body)["errors"][0]["code"] == "UNSUPPORTED"


def test_each_request_is_reported_once_with_its_bytes(tmp_path: Path) -> None:
    seen: list[tuple[str, str, int, int]] = []
    with (
        Server(tmp_path, on_request=lambda *request: seen.append(request)) as server,
        plain.client(base_url=f"http://{server.address}/v2") as client,
    ):
        digest = push_blob(client, "a", DATA)
        client.head(f"/a/blobs/{digest}")
        client.get(f"/a/blobs/{digest}", headers={"Range": "bytes=0-9"})
        missing = client.get("/a/manifests/none")
    blob = f"/v2/a/blobs/{digest}"
    assert [
        (method, path.split("?")[0].rpartition("uploads/")[0] or path, *sizes) for method, path, *sizes in seen
    ] == [
        ("POST", "/v2/a/blobs/", 0, 0),
        ("PUT", "/v2/a/blobs/", len(DATA), 0),
        ("HEAD", blob, 0, 0),
        ("GET", blob, 0, 10),
        ("GET", "/v2/a/manifests/none", 0, len(missing.content)),
    ]


def test_the_same_blob_from_many_clients_at_once_is_stored_right(server: Server) -> None:
    failures: list[BaseException] = []

    def push() -> None:
        try:
            with plain.client(base_url=f"http://{server.address}/v2", timeout=20) as client:
                push_blob(client, "a", DATA)
                push_blob(client, "a", b"{}")
                for turn in range(5):
                    tag = f"{threading.get_ident()}-{turn}"
                    assert put_manifest(client, "a", tag, manifest_of(b"{}", DATA)).status_code == 201
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=push) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with plain.client(base_url=f"http://{server.address}/v2") as client:
        assert len(client.get("/a/tags/list").json()["tags"]) == 30
        assert client.get(f"/a/blobs/{digest_of(DATA)}").content == DATA


def test_close_does_not_wait_for_idle_connections(tmp_path: Path) -> None:
    server = Server(tmp_path).__enter__()
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(10)
        assert not closing.is_alive()


@pytest.mark.slow
def test_connections_that_say_nothing_make_room(server: Server, ours: httpx.Client) -> None:
    host, _, port = server.address.partition(":")
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(300)]
        silent[200].sendall(b"GET /v2/ HT")
        assert ours.get("/").status_code == 200
        assert silent[0].recv(1) == b""


def test_close_ends_a_server_whose_connections_are_all_at_work(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with Server(tmp_path) as server:
            host, _, port = server.address.partition(":")
            with plain.client(base_url=f"http://{server.address}/v2") as client:
                path = location(client, begin(client, "a")).path
            for _ in range(130):
                connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
                connection.sendall(f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n".encode())
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_a_head_of_a_request_is_at_most_64_kibibytes(server: Server) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 2000) for number in range(50))
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\n" + lines[: 64 * 1024 + 1])
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_a_head_that_ends_early_is_no_request(server: Server, ours: httpx.Client) -> None:
    push_blob(ours, "a", b"{}")
    put_manifest(ours, "a", "v1", manifest_of(b"{}"))
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"DELETE /v2/a/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nIf-")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert ours.head("/a/manifests/v1").status_code == 200


def test_a_client_that_tries_tls_first_is_told_at_once(server: Server) -> None:
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
        assert connection.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize("patience", [Patience(uploads=3)])
def test_too_many_open_uploads_are_refused_until_some_end(ours: httpx.Client) -> None:
    answers = [begin(ours, "a") for _ in range(3)]
    refused = ours.post("/a/blobs/uploads/")
    assert (refused.status_code, codes(refused)) == (429, ["TOOMANYREQUESTS"])
    assert ours.delete(location(ours, answers[0])).status_code == 204
    assert ours.post("/a/blobs/uploads/").status_code == 202


@pytest.mark.parametrize("patience", [Patience(forgotten=-1.0)])
def test_an_upload_that_nobody_has_touched_for_long_ends_when_another_begins(ours: httpx.Client) -> None:
    old = begin(ours, "a")
    new = begin(ours, "a")
    assert ours.get(location(ours, old)).status_code == 404
    assert ours.get(location(ours, new)).status_code == 204


@pytest.mark.parametrize("patience", [Patience(linger=0.1)])
def test_a_refused_body_that_does_not_come_is_not_waited_for(server: Server) -> None:
    request = b"PUT /v2/a/manifests/no%2Ftag HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
    assert raw(server, request)[0] == 404


@pytest.fixture
def occupied() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_is_an_input_error(tmp_path: Path, occupied: int) -> None:
    with pytest.raises(InputError, match=f"can't listen on 127.0.0.1:{occupied}: Address already in use"):
        Server(tmp_path, port=occupied)


def test_a_directory_with_other_things_in_it_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(InputError, match="not an OCI image layout"):
        Server(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
