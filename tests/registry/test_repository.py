"""The client against a fake registry that misbehaves, and against the real one."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fake_http import Answer, Hangup, Request, serving
from support.registry import PASSWORD, USER, docker_registry
from support.sockets import flooding

from cogpack.digest import sha256
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http, Trust
from cogpack.images.registry import RegistryImages
from cogpack.oci import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor, FoundManifest, Manifest, encode
from cogpack.reference import Reference
from cogpack.registry.auth.authorizer import Tokens
from cogpack.registry.credentials import Credentials
from cogpack.registry.pull.ranges import BUDGET
from cogpack.registry.repository import Repository

DATA = b"layer" * 100_000
BLOB = Descriptor(media_type="application/octet-stream", digest=sha256(DATA), size=len(DATA))


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


def repository(http: Http, address: str, *, login: bool = False, tmp_path: Path | None = None) -> Repository:
    environment = {"HOME": "/nonexistent"}
    if login and tmp_path is not None:
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(f'{{"auths": {{"{address}": {{"auth": "{auth}"}}}}}}')
        environment["DOCKER_CONFIG"] = str(tmp_path)
    credentials = Credentials.from_environment(environment)
    return Repository(http, Reference.parse(f"{address}/a/b"), credentials, actions=("pull", "push"))


class Blocks:
    """A body that counts how often it was read from the start."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Iterator[bytes]:
        self.passes += 1
        for start in range(0, len(DATA), 65536):
            yield DATA[start : start + 65536]


def upload(http: Http, script: Callable[[Request], Answer], *, known: bool = True) -> tuple[Blocks, list[Request]]:
    blocks = Blocks()
    with serving(script) as fake:
        repository(http, fake.address).upload(blocks, descriptor=BLOB if known else None, finished=lambda: BLOB.digest)
    return blocks, fake.seen


def accepting(request: Request) -> Answer:
    if request.method == "POST":
        return 202, {"Location": "/v2/a/b/blobs/uploads/1?_state=x%2Fy"}, b""
    if request.method == "PATCH":
        return 202, {"Location": "/v2/a/b/blobs/uploads/1?_state=later"}, b""
    return 201, {}, b""


def test_a_known_blob_goes_in_one_put_to_the_very_address_given(http: Http) -> None:
    blocks, seen = upload(http, accepting)
    assert [request.method for request in seen] == ["POST", "PUT"]
    assert seen[1].path == f"/v2/a/b/blobs/uploads/1?_state=x%2Fy&digest={BLOB.digest.replace(':', '%3A')}"
    assert seen[1].body == DATA
    assert seen[1].headers["content-length"] == str(len(DATA))
    assert blocks.passes == 1


def test_an_unknown_blob_is_streamed_and_named_at_the_end(http: Http) -> None:
    _, seen = upload(http, accepting, known=False)
    assert [request.method for request in seen] == ["POST", "PATCH", "PUT"]
    assert seen[1].body == DATA
    assert seen[2].path.startswith("/v2/a/b/blobs/uploads/1?_state=later&digest=")


def test_a_connection_cut_in_the_body_starts_a_new_session_from_a_fresh_pass(http: Http) -> None:
    cuts = iter([True, False])

    def script(request: Request) -> Answer:
        if request.method == "PUT" and next(cuts):
            raise Hangup
        return (404, {}, b"") if request.method == "HEAD" else accepting(request)

    blocks, seen = upload(http, script)
    assert blocks.passes == 2
    assert [request.method for request in seen if request.method in ("POST", "PUT")] == ["POST", "PUT", "POST", "PUT"]


def test_a_commit_whose_answer_was_lost_is_not_sent_again(http: Http) -> None:
    def script(request: Request) -> Answer:
        if request.method == "PUT":
            return 500, {}, b""
        if request.method == "HEAD":
            return 200, {"Content-Length": str(len(DATA))}, b""
        return accepting(request)

    blocks, _ = upload(http, script)
    assert blocks.passes == 1


def test_failures_have_an_end(http: Http) -> None:
    def script(request: Request) -> Answer:
        return (
            (503, {}, b"")
            if request.method == "PUT"
            else (404, {}, b"")
            if request.method == "HEAD"
            else accepting(request)
        )

    with pytest.raises(UnavailableError, match="503"):
        upload(http, script)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, b'{"errors":[{"code":"DENIED","message":"no"}]}', DeniedError),
        (404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', InputError),
        (400, b"<html>proxy</html>", InputError),
        (400, b"Client sent an HTTP request to an HTTPS server.\n", InputError),
        (405, b"", InputError),
    ],
)
def test_refusals_are_told_apart(http: Http, status: int, body: bytes, expected: type[CogpackError]) -> None:
    with pytest.raises(expected) as refused:
        upload(http, lambda request: (status, {}, body))
    assert "127.0.0.1" in refused.value.message
    assert ("speaks TLS" in refused.value.message) == (b"HTTPS" in body)
    assert ("certs.d/127.0.0.1:" in refused.value.next_step) == (b"HTTPS" in body)


def test_a_session_elsewhere_gets_the_bytes_and_never_the_credentials(http: Http, tmp_path: Path) -> None:
    with serving(accepting) as elsewhere:

        def script(request: Request) -> Answer:
            if "authorization" not in request.headers:
                return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
            return 202, {"Location": f"{elsewhere.url}/session?x=1"}, b""

        with serving(script) as fake:
            there = repository(http, fake.address, login=True, tmp_path=tmp_path)
            there.upload(Blocks(), descriptor=BLOB, finished=lambda: BLOB.digest)
    assert elsewhere.seen[0].body == DATA
    assert all("authorization" not in request.headers for request in elsewhere.seen)


@pytest.mark.parametrize("status", [307, 308])
def test_a_manifest_goes_where_the_registry_sends_it_without_our_name(http: Http, tmp_path: Path, status: int) -> None:
    with serving(lambda _: (201, {"Location": "http://[broken"}, b"")) as elsewhere:

        def script(request: Request) -> Answer:
            if "authorization" not in request.headers:
                return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
            inside = request.path == "/v2/a/b/manifests/v1"
            return status, {"Location": "/v2/a/b/manifests/moved" if inside else f"{elsewhere.url}/m?x=a%2Fb"}, b""

        with serving(script) as fake:
            repository(http, fake.address, login=True, tmp_path=tmp_path).put_manifest(b"{}", OCI_MANIFEST, "v1")
        assert [request.path for request in fake.seen[1:]] == ["/v2/a/b/manifests/v1", "/v2/a/b/manifests/moved"]
    assert [(request.method, request.path, request.body) for request in elsewhere.seen] == [
        ("PUT", "/m?x=a%2Fb", b"{}")
    ]
    assert elsewhere.seen[0].headers["content-type"] == OCI_MANIFEST
    assert "authorization" not in elsewhere.seen[0].headers


@pytest.mark.parametrize(
    ("location", "says"),
    [("http://169.254.169.254/x", "sends us to"), ("/v2/a/b/manifests/v1", "307"), ("", "307")],
)
def test_a_manifest_that_is_sent_nowhere_or_in_circles_ends(http: Http, location: str, says: str) -> None:
    def script(request: Request) -> Answer:
        return (307, {"Location": location} if location else {}, b"") if request.method == "PUT" else (404, {}, b"")

    with serving(script) as fake:
        with pytest.raises(InputError, match=says):
            repository(http, fake.address).put_manifest(b"{}", OCI_MANIFEST, "v1")
        assert sum(request.method == "PUT" for request in fake.seen) == (5 if location.startswith("/") else 1)


@pytest.mark.parametrize(
    "elsewhere", ["http://169.254.169.254/x", "http://me:secret@127.0.0.1/x", "http://[fe80::1]/x", "ftp://127.0.0.1/x"]
)
def test_a_session_where_none_can_be_is_refused(http: Http, elsewhere: str) -> None:
    """F24."""

    def script(request: Request) -> Answer:
        return (202, {"Location": elsewhere}, b"") if request.method == "POST" else (201, {}, b"")

    with serving(script) as fake:
        with pytest.raises(InputError, match="sends us to") as refused:
            repository(http, fake.address).upload(Blocks(), descriptor=BLOB, finished=lambda: BLOB.digest)
        assert [request.method for request in fake.seen] == ["POST"]
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "act",
    [
        lambda there: there.upload(Blocks(), descriptor=BLOB, finished=lambda: BLOB.digest),
        lambda there: there.upload(Blocks(), descriptor=None, finished=lambda: BLOB.digest),
        lambda there: there.put_manifest(b"{}", OCI_MANIFEST, "v1"),
        lambda there: there.manifest("v1"),
        lambda there: there.blob_bytes(BLOB, limit=BLOB.size),
        lambda there: there.has_blob(BLOB),
    ],
    ids=["PUT of a session", "PATCH of a session", "PUT manifest", "GET manifest", "GET blob", "HEAD blob"],
)
def test_a_registry_elsewhere_may_not_lead_us_to_this_machine_by_a_name(act: Callable[[Repository], object]) -> None:
    """F24, P8: what the name resolves to tells. Where a HEAD can't be sent on, the registry's word counts."""
    with serving(lambda _: (201, {}, DATA)) as elsewhere:

        def script(request: Request) -> Answer:
            place = {"Location": f"{elsewhere.url.replace('127.0.0.1', 'elsewhere.example')}/s"}
            return 202 if request.method == "POST" else 307, place, b""

        hosts = frozenset({"registry.example"})
        resolver = {"registry.example": ["127.0.0.1"], "elsewhere.example": ["127.0.0.1"]}.__getitem__
        with (
            serving(script) as fake,
            Http(trust=Trust(insecure_hosts=hosts), resolver=lambda name, port: resolver(name)) as http,
        ):
            there = repository(http, fake.address.replace("127.0.0.1", "registry.example"))
            said = None
            try:
                assert act(there) is True
            except InputError as error:
                said = error.message
            assert said is None or said.startswith("registry.example sends us to elsewhere.example (127.0.0.1): ")
            assert (said is None) == (fake.seen[-1].method == "HEAD")
        assert elsewhere.seen == []


def test_a_session_behind_a_proxy_that_ends_tls_stays_at_the_registrys_door(http: Http) -> None:
    """F23."""
    requests = repository(http, "registry.example.com").requests
    url = f"{requests.base}/blobs/uploads/"
    assert requests.location(url, "http://registry.example.com/v2/s?_state=a%2Fb&x=") == (
        "https://registry.example.com/v2/s?_state=a%2Fb&x="
    )
    with pytest.raises(InputError, match="a downgrade from TLS"):
        requests.location(url, "http://other.example.com/v2/s")


def test_a_session_at_the_registry_itself_gets_the_credentials_however_its_host_is_written(
    http: Http, tmp_path: Path
) -> None:
    def script(request: Request) -> Answer:
        if "authorization" not in request.headers:
            return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
        return accepting(request) if request.method != "POST" else (202, {"Location": f"http://{written}/s"}, b"")

    with serving(script) as fake:
        host, written = (f"{name}:{fake.address.rpartition(':')[2]}" for name in ("localhost", "LOCALHOST"))
        repository(http, host, login=True, tmp_path=tmp_path).upload(
            Blocks(), descriptor=BLOB, finished=lambda: BLOB.digest
        )
    assert [request.method for request in fake.seen] == ["POST", "POST", "PUT"]


def test_a_redirect_to_storage_leaves_the_credentials_behind(http: Http, tmp_path: Path) -> None:
    with serving(lambda request: (200, {}, DATA)) as storage:

        def script(request: Request) -> Answer:
            if "authorization" not in request.headers:
                return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
            return 307, {"Location": f"{storage.url}/blob?signature=secret"}, b""

        with serving(script) as fake:
            there = repository(http, fake.address, login=True, tmp_path=tmp_path)
            with there.blob(BLOB) as blocks:
                assert b"".join(blocks) == DATA
    assert "authorization" not in storage.seen[0].headers


def test_a_registry_that_is_an_address_of_another_is_followed_there_without_our_name(
    http: Http, tmp_path: Path
) -> None:
    """registry.k8s.io: manifests, lists and blobs alike."""
    data = b'{"schemaVersion":2}'
    index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})

    def other(request: Request) -> Answer:
        if "/referrers/" in request.path:
            return 200, {"Content-Type": OCI_INDEX}, index
        return 200, {"Content-Type": OCI_MANIFEST}, data if "/manifests/" in request.path else DATA

    with serving(other) as there:

        def script(request: Request) -> Answer:
            if "authorization" not in request.headers:
                return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
            return 307, {"Location": f"{there.url}/v2/mirror{request.path.removeprefix('/v2')}"}, b""

        with serving(script) as fake:
            repo = repository(http, fake.address, login=True, tmp_path=tmp_path)
            assert repo.manifest("v1") == FoundManifest(OCI_MANIFEST, data, sha256(data))
            assert RegistryImages(repo).referrers(sha256(data)) == ()
            with repo.blob(BLOB) as blocks:
                assert b"".join(blocks) == DATA
    assert len(there.seen) == 3
    assert all("authorization" not in request.headers for request in there.seen)


@pytest.mark.parametrize("location", ["http://169.254.169.254/v2/a", "http://me:secret@127.0.0.1/", "ftp://127.0.0.1/"])
def test_a_manifest_is_not_fetched_from_where_none_can_be(http: Http, location: str) -> None:
    with serving(lambda request: (307, {"Location": location}, b"")) as fake:
        with pytest.raises(InputError, match="sends us to"):
            repository(http, fake.address).manifest("v1")
    assert len(fake.seen) == 1


def test_a_challenge_of_where_we_were_sent_is_not_ours_to_answer(http: Http, tmp_path: Path) -> None:
    with serving(lambda request: (401, {"WWW-Authenticate": "Basic realm=x"}, b"")) as there:
        with serving(lambda request: (307, {"Location": f"{there.url}/x"}, b"")) as fake:
            with pytest.raises(DeniedError):
                repository(http, fake.address, login=True, tmp_path=tmp_path).manifest("v1")
    assert len(there.seen) == 1
    assert "authorization" not in there.seen[0].headers


def test_other_bytes_than_asked_for_are_refused(http: Http) -> None:
    with serving(lambda request: (200, {}, DATA[:-1] + b"x")) as fake:
        with pytest.raises(MismatchError, match=BLOB.digest), repository(http, fake.address).blob(BLOB) as blocks:
            list(blocks)


def test_more_bytes_than_asked_for_are_left_out(http: Http) -> None:
    with (
        serving(lambda request: (200, {}, DATA + b"more")) as fake,
        repository(http, fake.address).blob(BLOB) as blocks,
    ):
        assert b"".join(blocks) == DATA


@pytest.mark.parametrize("ranges", [True, False])
def test_a_blob_that_breaks_off_is_gone_on_with(http: Http, *, ranges: bool) -> None:
    """By range, or past what came already; nothing is given twice."""

    def cut(request: Request) -> tuple[int, dict[str, str], bytes]:
        asked = request.headers.get("range", "")
        if not asked or not ranges:
            return 200, {}, DATA[:300_000] if len(fake.seen) == 1 else DATA
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        return 206, {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"}, DATA[start:]

    with serving(cut) as fake, repository(http, fake.address).blob(BLOB) as blocks:
        assert b"".join(blocks) == DATA
    assert [request.headers.get("range") for request in fake.seen] == [None, f"bytes=300000-{len(DATA) - 1}"]


def test_a_blob_that_always_ends_early_is_given_up(http: Http) -> None:
    with serving(lambda request: (200, {}, DATA[:-1])) as fake:
        with pytest.raises(UnavailableError, match="ended before"), repository(http, fake.address).blob(BLOB) as blocks:
            list(blocks)
        assert len(fake.seen) == BUDGET


def test_a_registry_that_goes_away_is_waited_for(http: Http) -> None:
    def script(request: Request) -> Answer:
        if 1 < len(fake.seen) < 30:
            raise Hangup
        return 200, {}, DATA

    with serving(script) as fake:
        there = repository(http, fake.address)
        assert there.has_blob(BLOB)
        assert there.blob_bytes(BLOB, limit=BLOB.size) == DATA
        assert len(fake.seen) == 30


def test_a_blob_of_another_size_counts_as_absent(http: Http) -> None:
    with serving(lambda request: (200, {"Content-Length": "7"}, b"")) as fake:
        assert not repository(http, fake.address).has_blob(BLOB)


def test_a_manifest_that_is_not_its_digest_is_refused(http: Http) -> None:
    with serving(lambda request: (200, {"Content-Type": OCI_MANIFEST}, b"{}")) as fake:
        with pytest.raises(MismatchError, match="should be"):
            repository(http, fake.address).manifest(BLOB.digest)


def test_an_endless_manifest_is_cut_off(http: Http) -> None:
    with flooding(256 * 2**20) as (place, taken):
        with pytest.raises(InputError, match="longer than 4194304"):
            repository(http, f"127.0.0.1:{place.port}").manifest("latest")
        assert taken() < 32 * 2**20


def test_a_tag_that_cannot_move_but_is_ours_already_is_success(http: Http) -> None:
    data = b'{"schemaVersion":2}'

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            return 400, {}, b'{"errors":[{"code":"TAG_INVALID","message":"immutable"}]}'
        return 200, {"Content-Type": OCI_MANIFEST}, data

    with serving(script) as fake:
        repository(http, fake.address).put_manifest(data, OCI_MANIFEST, "v1")
        with pytest.raises(InputError, match="immutable"):
            repository(http, fake.address).put_manifest(data + b" ", OCI_MANIFEST, "v1")


def test_credentials_that_are_refused_end_the_matter(http: Http, tmp_path: Path) -> None:
    with serving(lambda request: (401, {"WWW-Authenticate": "Basic realm=x"}, b"")) as fake:
        with pytest.raises(DeniedError) as refused:
            repository(http, fake.address, login=True, tmp_path=tmp_path).has_blob(BLOB)
        assert PASSWORD not in refused.value.message
        assert len(fake.seen) <= 4


@pytest.mark.parametrize(
    "challenge",
    ['Bearer service="x"', "Bearer", 'Bearer realm=""', 'Bearer realm="/token"', 'Bearer realm="//h/"', "?"],
)
@pytest.mark.parametrize("login", [True, False])
def test_a_challenge_that_names_no_token_server_is_one_error(
    http: Http, tmp_path: Path, challenge: str, login: bool
) -> None:
    """A5."""
    with serving(lambda request: (401, {"WWW-Authenticate": challenge}, b"")) as fake:
        there = repository(http, fake.address, login=login, tmp_path=tmp_path)
        with pytest.raises(CogpackError) as failed:
            there.manifest("v1")
    no_address = "names a token server that is no address" in failed.value.message
    assert no_address if "Bearer" in challenge else isinstance(failed.value, DeniedError)
    assert failed.value.message.startswith(fake.address)
    assert "\n" not in failed.value.message
    assert all("authorization" not in request.headers for request in fake.seen)


@pytest.mark.slow
def test_each_registry_and_each_path_hears_of_its_own_account_only(http: Http, tmp_path: Path) -> None:
    """A11: of those that one command talks to."""
    heard: list[tuple[str, str, str]] = []

    def registry(name: str) -> Callable[[Request], Answer]:
        def script(request: Request) -> Answer:
            said, place = request.headers.get("authorization", ""), f"http://{request.headers['host']}"
            heard.append((name, request.path.partition("?")[0], said))
            if request.path.startswith("/token"):
                user = base64.b64decode(said.removeprefix("Basic ")).decode().partition(":")[0]
                return 200, {}, json.dumps({"token": f"{name}-{user}"}).encode()
            if not said:
                return 401, {"WWW-Authenticate": f'Bearer realm="{place}/token",service="s"'}, b""
            return 200, {"Content-Length": str(BLOB.size)}, b""

        return script

    with serving(registry("one")) as one, serving(registry("two")) as two:
        users = {one.address: "alice", two.address: "bob", f"{two.address}/team": "carol"}
        auths = {place: {"username": user, "password": f"secret of {user}"} for place, user in users.items()}
        environment = {"HOME": "/nonexistent", "DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}
        credentials, tokens = Credentials.from_environment(environment), Tokens()
        for _ in range(2):
            for place in (f"{one.address}/a/b", f"{two.address}/a/b", f"{two.address}/team/b", f"{one.address}/team/b"):
                reference = Reference.parse(place)
                assert Repository(http, reference, credentials, actions=("pull",), tokens=tokens).has_blob(BLOB)
    asked = [(name, base64.b64decode(said[6:]).decode()) for name, path, said in heard if path == "/token"]
    alice, bob, carol = (("one", "alice"), ("two", "bob"), ("two", "carol"))
    assert asked == [(name, f"{user}:secret of {user}") for name, user in (alice, bob, carol, alice)]
    shown = {(name, path.split("/")[2], said) for name, path, said in heard if said.startswith("Bearer")}
    assert shown == {
        ("one", "a", "Bearer one-alice"),
        ("one", "team", "Bearer one-alice"),
        ("two", "a", "Bearer two-bob"),
        ("two", "team", "Bearer two-carol"),
    }


@pytest.mark.parametrize(
    ("scoped", "asked"),
    [
        ({"": "me"}, True),
        ({}, True),
        ({"/a": "me", "/c": "me"}, True),
        ({"/a": "me", "/c": "them"}, False),
        ({"": "me", "/c": "them"}, False),
        ({"/a": "me"}, False),
        ({"/c": "them"}, False),
    ],
)
def test_a_blob_is_mounted_only_where_the_source_has_our_login(
    http: Http, scoped: dict[str, str], asked: bool, tmp_path: Path
) -> None:
    def script(request: Request) -> Answer:
        return (201, {}, b"") if "mount=" in request.path else (404, {}, b"")

    with serving(script) as fake:
        auths = {f"{fake.address}{path}": {"username": user, "password": user} for path, user in scoped.items()}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        credentials = Credentials.from_environment({"HOME": "/nonexistent", "DOCKER_CONFIG": str(tmp_path)})
        there = Repository(http, Reference.parse(f"{fake.address}/a/b"), credentials, actions=("pull", "push"))
        assert (there.mount_or_open(BLOB.digest, "c/d") is None) == asked
        assert len(fake.seen) == asked


@pytest.mark.parametrize(
    ("status", "length", "there"),
    [(200, len(DATA), True), (200, 5, False), (404, 0, False), (403, 0, True), (503, 0, True)],
)
def test_a_head_that_is_sent_on_is_answered_by_the_storage(http: Http, status: int, length: int, there: bool) -> None:
    def script(request: Request) -> Answer:
        if request.path.startswith("/stored"):
            return status, {"Content-Length": str(length)}, b""
        return 307, {"Location": "/stored/blob?signature=x"}, b""

    with serving(script) as fake:
        assert repository(http, fake.address).has_blob(BLOB) == there
        assert fake.seen[-1].method == "HEAD"


@pytest.mark.integration
@pytest.mark.parametrize("htpasswd", [False, True])
def test_the_real_registry_takes_and_gives(http: Http, tmp_path: Path, htpasswd: bool) -> None:
    with docker_registry(tmp_path / "registry", htpasswd=htpasswd) as address:
        there = repository(http, address, login=htpasswd, tmp_path=tmp_path)
        assert not there.has_blob(BLOB)
        there.upload(Blocks(), descriptor=None, finished=lambda: BLOB.digest)
        assert there.has_blob(BLOB)
        config = b"{}"
        about = Descriptor(media_type=OCI_CONFIG, digest=sha256(config), size=len(config))
        there.upload([config], descriptor=about, finished=lambda: about.digest)
        data = encode(Manifest(schema_version=2, media_type=OCI_MANIFEST, config=about, layers=[BLOB]))
        assert there.manifest("v1") is None
        there.put_manifest(data, OCI_MANIFEST, "v1")
        assert there.manifest("v1") == FoundManifest(OCI_MANIFEST, data, sha256(data))
        with there.blob(BLOB) as blocks:
            assert b"".join(blocks) == DATA


def test_a_location_that_is_no_address_is_told_as_one(http: Http) -> None:
    with (
        serving(lambda _: (202, {"Location": "http://[bad/"}, b"")) as fake,
        pytest.raises(InputError, match="not a plain http address"),
    ):
        repository(http, fake.address).upload(Blocks(), descriptor=BLOB, finished=lambda: BLOB.digest)
