"""One image on loopback, for an engine: to whoever knows its name, in order, and never a wrong blob whole."""

import os
import socket
import subprocess
from collections.abc import Generator, Iterator

import httpx
import pytest
from support import plain

from cogpack.digest import sha256
from cogpack.errors import MismatchError
from cogpack.oci import OCI_LAYER, OCI_MANIFEST, Descriptor
from cogpack.registry.server.through import PullThrough, Served, owner, row_owner

DATA = bytes(range(256)) * 40
BLOB = Descriptor(media_type=OCI_LAYER, digest=sha256(DATA), size=len(DATA))
WRONG = Descriptor(media_type=OCI_LAYER, digest=sha256(b"?"), size=len(DATA))
MANIFEST = b'{"some": "manifest"}'


def blocks(blob: Descriptor, start: int) -> Generator[bytes]:
    for at in range(start, len(DATA) - 100, 1000):
        yield DATA[at : min(at + 1000, len(DATA) - 100)]
    if blob is WRONG:
        raise MismatchError("wrong", next_step="none")
    yield DATA[max(start, len(DATA) - 100) :]


@pytest.fixture
def through() -> Iterator[PullThrough]:
    manifest = Descriptor(media_type=OCI_MANIFEST, digest=sha256(MANIFEST), size=len(MANIFEST))
    with PullThrough(Served(manifest, MANIFEST, {BLOB.digest: BLOB, WRONG.digest: WRONG}, blocks)) as found:
        yield found


def url(through: PullThrough, path: str) -> str:
    address, _, name = through.reference.removesuffix(":image").partition("/")
    return f"http://{address}/v2/{name}/{path}"


def test_the_manifest_is_there_by_tag_and_by_digest(through: PullThrough) -> None:
    assert not through.asked
    for ref in ("image", sha256(MANIFEST)):
        for act in (plain.get, plain.head):
            answer = act(url(through, f"manifests/{ref}"))
            assert (answer.status_code, answer.headers["content-type"]) == (200, OCI_MANIFEST)
            assert answer.headers["docker-content-digest"] == sha256(MANIFEST)
        assert plain.get(url(through, f"manifests/{ref}")).content == MANIFEST
    assert through.asked


def test_a_blob_comes_whole_or_from_where_an_engine_lost_it(through: PullThrough) -> None:
    assert plain.get(url(through, f"blobs/{BLOB.digest}")).content == DATA
    answer = plain.get(url(through, f"blobs/{BLOB.digest}"), headers={"Range": "bytes=500-"})
    assert (answer.status_code, answer.content) == (206, DATA[500:])
    assert answer.headers["content-range"] == f"bytes 500-{len(DATA) - 1}/{len(DATA)}"
    assert plain.head(url(through, f"blobs/{BLOB.digest}")).headers["content-length"] == str(len(DATA))
    assert plain.get(url(through, f"blobs/{BLOB.digest}"), headers={"Range": f"bytes={len(DATA)}-"}).status_code == 416


def test_wrong_bytes_never_end_as_a_whole_answer(through: PullThrough) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        plain.get(url(through, f"blobs/{WRONG.digest}"))


def test_who_does_not_know_the_name_gets_nothing(through: PullThrough) -> None:
    address = through.reference.partition("/")[0]
    for name in ("0" * 32, "a/b", ""):
        for path in (f"manifests/{sha256(MANIFEST)}", "manifests/image", f"blobs/{BLOB.digest}"):
            assert plain.get(f"http://{address}/v2/{name}/{path}").status_code == 404
    assert plain.get(f"http://{address}/v2/").status_code == 200


@pytest.mark.parametrize("path", ["blobs/sha256:../../x", f"blobs/{'a' * 64}", "manifests/other", "tags/list"])
def test_what_the_image_does_not_have_is_not_there(through: PullThrough, path: str) -> None:
    assert plain.get(url(through, path)).status_code == 404


def test_nothing_can_be_sent_to_it(through: PullThrough) -> None:
    assert plain.put(url(through, "manifests/image"), content=b"{}").status_code == 405
    assert plain.post(url(through, "blobs/uploads/")).status_code == 405


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize(("user", "served"), [(0, True), (65534, False)])
def test_another_user_who_has_seen_the_name_gets_nothing(through: PullThrough, user: int, served: bool) -> None:
    """The engine's arguments show it to all: `ps`."""
    address, _, path = url(through, "manifests/image").removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    ask = (
        f"exec 3<>/dev/tcp/{host}/{port}; "
        f"printf 'GET /{path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
    )
    done = subprocess.run(["bash", "-c", ask], user=user, cwd="/", capture_output=True, check=True)
    assert done.stdout.startswith(b"HTTP/1.1 200" if served else b"HTTP/1.1 404")
    assert (MANIFEST in done.stdout) == served


def test_whoever_is_in_no_table_of_sockets_is_nobody_and_not_root() -> None:
    """The kernel's table can lack a row that a reader looks for; that let another user in, once in a hundred times."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
        with socket.create_connection(place) as connection:
            assert owner(connection.getsockname(), place) == os.geteuid()
        assert owner(("127.0.0.1", 1), place) not in (None, 0, os.geteuid())


def test_a_connection_that_had_the_same_port_before_is_not_taken_for_its_users() -> None:
    """The kernel lists it for a minute after its end, as root's: on a busy machine that let another user in."""
    row = "{}: 0100007F:D2F0 0100007F:{:04X} {} 00000000:00000000 03:00000A21 00000000 {:>5}        0 0 3 ffff8881"
    rows = ["  sl  local_address rem_address st", row.format(0, 5000, "06", 0), row.format(1, 5001, "01", 65534)]
    assert row_owner(rows, ("127.0.0.1", 0xD2F0), ("127.0.0.1", 5001)) == 65534
    assert row_owner(rows, ("127.0.0.1", 0xD2F0), ("127.0.0.1", 5002)) is None
