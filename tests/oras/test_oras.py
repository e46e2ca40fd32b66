"""`cogpack.oras.Registry` as code written for oras-py uses it, against our own server and against hostile ones."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import oras.oci
import oras.provider
import pytest
from oras.layout.layout import NewLayoutFromRegistry
from support.fake_http import Answer, Hangup, Request, serving
from support.nobody import as_nobody

from cogpack.digest import sha256
from cogpack.errors import DeniedError, InputError, MismatchError
from cogpack.oras import Registry
from cogpack.oras.responses import Address
from cogpack.registry.server import Server, User

pytestmark = pytest.mark.slow

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DIRECTORY = "application/vnd.oci.image.layer.v1.tar+gzip"
BLOB = b"weights" * 300_000
DIGEST = sha256(BLOB)


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials but those of the test, and its own current directory."""
    as_nobody(tmp_path, monkeypatch)


@pytest.fixture
def client() -> Iterator[Registry]:
    with Registry() as found:
        yield found


@pytest.fixture
def seen() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def address(tmp_path: Path, seen: list[tuple[str, str]]) -> Iterator[str]:
    def on_request(method: str, path: str, received: int, sent: int) -> None:
        seen.append((method, path))

    with Server(tmp_path / "images", on_request=on_request) as server:
        yield server.address


@pytest.fixture
def model() -> Path:
    path = Path("model.bin")
    path.write_bytes(BLOB)
    return path


def archive(*members: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return made.getvalue()


def member(name: str, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    if link:
        found.type, found.linkname = tarfile.SYMTYPE, link
    else:
        found.size = 3
    return found


def artifact(client: Registry, target: str, data: bytes, title: str, media_type: str) -> None:
    """One blob under a title of which oras-py itself would make no artifact."""
    Path("blob").write_bytes(data)
    Path("config").write_bytes(b"{}")
    layer = oras.oci.NewLayer("blob", media_type=media_type) | {
        "annotations": {"org.opencontainers.image.title": title}
    }
    config = oras.oci.NewLayer("config", media_type="application/vnd.oci.empty.v1+json")
    client.upload_blob("blob", target, layer)
    client.upload_blob("config", target, config)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    client.upload_manifest(manifest, client.get_container(target))


# What oras-py does


def test_files_and_directories_come_back_as_they_were(
    client: Registry, address: str, model: Path, tmp_path: Path
) -> None:
    Path("tokens/more").mkdir(parents=True)
    Path("tokens/more/vocabulary.txt").write_text("a b c")
    pushed = client.push(f"{address}/me/model:v1", files=[f"{model}:application/x-weights", "tokens"])
    assert pushed.status_code == 201
    found = client.pull(f"{address}/me/model:v1", outdir=str(tmp_path / "out"))
    assert found == [str(tmp_path / "out" / "model.bin"), str(tmp_path / "out" / "tokens")]
    assert (tmp_path / "out" / "model.bin").read_bytes() == BLOB
    assert (tmp_path / "out" / "tokens" / "more" / "vocabulary.txt").read_text() == "a b c"


def test_the_bytes_of_an_artifact_are_those_that_oras_py_makes(client: Registry, address: str, model: Path) -> None:
    client.push(f"{address}/a:v1", files=[str(model)], manifest_annotations={"one": "1"})
    oras.provider.Registry(insecure=True).push(f"{address}/b:v1", files=[str(model)], manifest_annotations={"one": "1"})
    digests = [
        client.do_request(f"http://{address}/v2/{name}/manifests/v1").headers["Docker-Content-Digest"] for name in "ab"
    ]
    assert digests[0] == digests[1]


def test_what_the_registry_has_is_not_sent_again(
    client: Registry, address: str, model: Path, seen: list[tuple[str, str]]
) -> None:
    layer = oras.oci.NewLayer(str(model))
    assert client.upload_blob(str(model), f"{address}/a:v1", layer).status_code == 201
    seen.clear()
    assert client.upload_blob(str(model), f"{address}/a:v1", layer, do_chunked=True).status_code == 200
    assert [method for method, _ in seen] == ["HEAD"]


@pytest.mark.parametrize("send", ["put_upload", "chunked_upload"])
def test_each_way_of_sending_is_the_engines(client: Registry, address: str, model: Path, send: str) -> None:
    layer = oras.oci.NewLayer(str(model))
    container = client.get_container(f"{address}/a:v1")
    assert not client.blob_exists(layer, container)
    assert getattr(client, send)(str(model), container, layer).status_code == 201
    assert client.blob_exists(layer, container)


def test_tags_are_listed_over_all_pages_and_deleted(client: Registry, address: str, model: Path) -> None:
    for tag in ("v1", "v2", "v3"):
        client.push(f"{address}/a:{tag}", files=[str(model)])
    assert client.get_tags(f"{address}/a") == ["v1", "v2", "v3"]
    assert client.get_tags(f"{address}/a", N=1) == ["v1"]
    assert client.delete_tag(f"{address}/a", "v1")
    assert not client.delete_tag(f"{address}/a", "v1")


def test_what_is_missing_is_an_error_of_oras_pys_kind(client: Registry, address: str) -> None:
    with pytest.raises(ValueError, match="Not Found"):
        client.get_manifest(f"{address}/a:v1")
    assert client.get_blob(f"{address}/a", DIGEST).status_code == 404
    with pytest.raises(ValueError, match="Not Found"):
        client.download_blob(f"{address}/a", DIGEST, "out")
    assert not Path("out").exists()


def test_a_blob_is_read_whole_in_pieces_or_not_at_all(client: Registry, address: str, model: Path) -> None:
    client.upload_blob(str(model), f"{address}/a", oras.oci.NewLayer(str(model)))
    assert client.get_blob(f"{address}/a", DIGEST).content == BLOB
    assert client.get_blob(f"{address}/a", DIGEST, head=True).headers["content-length"] == str(len(BLOB))
    with client.get_blob(f"{address}/a", DIGEST, stream=True) as response:
        pieces = list(response.iter_content(10_000))
    assert b"".join(pieces) == BLOB
    assert {len(piece) for piece in pieces} == {10_000}
    with client.get_blob(f"{address}/a", DIGEST, stream=True) as response:
        assert response.status_code == 200  # and nothing is read
    url = f"http://{address}/v2/a/blobs/{DIGEST}"
    part = client.do_request(url, headers={"Range": "bytes=7-13"})
    assert (part.status_code, part.content) == (206, b"weights")


def test_a_blob_too_large_for_memory_is_read_in_blocks_only(
    client: Registry, address: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.upload_blob(str(model), f"{address}/a", oras.oci.NewLayer(str(model)))
    monkeypatch.setattr("cogpack.oras.exchange._IN_MEMORY", len(BLOB) - 1)
    with pytest.raises(InputError, match="more than"):
        client.get_blob(f"{address}/a", DIGEST)
    monkeypatch.setattr("cogpack.oras.exchange._IN_MEMORY", len(BLOB))
    assert len(client.get_blob(f"{address}/a", DIGEST).content) == len(BLOB)


def test_a_file_that_is_here_stays_on_request(client: Registry, address: str, model: Path, tmp_path: Path) -> None:
    client.push(f"{address}/a:v1", files=[str(model)])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.bin").write_text("mine")
    assert client.pull(f"{address}/a:v1", outdir=str(tmp_path / "out"), overwrite=False) == []
    assert (tmp_path / "out" / "model.bin").read_text() == "mine"


def test_names_on_docker_hub_are_dockers() -> None:
    for host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        assert Address.parse(f"https://{host}/v2/alpine/manifests/3").repository.name == "docker.io/library/alpine"


@pytest.mark.parametrize(
    "url",
    ["https://example.com/", "https://host/v2/a/tags/list", "https://me:secret@example.com/v2/a/tags/list", "ftp://a"],
)
def test_a_request_that_is_no_registrys_is_not_sent(client: Registry, url: str) -> None:
    with pytest.raises(InputError) as caught:
        client.do_request(url)
    assert "secret" not in str(caught.value)


# What is verified


def test_a_download_of_wrong_bytes_gets_no_name(client: Registry) -> None:
    Path("out").write_text("before")
    with serving(lambda request: (200, {}, b"evil" + BLOB[4:])) as fake:
        with pytest.raises(MismatchError, match=DIGEST):
            client.download_blob(f"{fake.address}/a", DIGEST, "out")
        received = io.BytesIO()
        with client.get_blob(f"{fake.address}/a", DIGEST, stream=True) as response, pytest.raises(MismatchError):
            received.writelines(response.iter_content(1000))
        assert len(received.getvalue()) < len(BLOB)  # nobody takes it for whole
        with pytest.raises(MismatchError):
            client.get_blob(f"{fake.address}/a", DIGEST)
    assert Path("out").read_text() == "before"
    assert sorted(path.name for path in Path().iterdir()) == ["out"]


def test_a_manifest_by_digest_is_that_manifest(client: Registry) -> None:
    with serving(lambda request: (200, {"Content-Type": MANIFEST}, b"{}")) as fake:
        assert client.get_manifest(f"{fake.address}/a@{sha256(b'{}')}") == {}
        with pytest.raises(MismatchError):
            client.get_manifest(f"{fake.address}/a@{DIGEST}")


@pytest.mark.parametrize("now", [BLOB + b"more", BLOB[1:], BLOB[:-1] + b"?"])
def test_a_file_that_changed_since_it_was_described_is_no_blob(
    client: Registry, address: str, model: Path, now: bytes
) -> None:
    layer = oras.oci.NewLayer(str(model))
    model.write_bytes(now)
    with pytest.raises(MismatchError, match="model"):
        client.upload_blob(str(model), f"{address}/a", layer)
    assert not client.blob_exists(layer, client.get_container(f"{address}/a"))


def test_a_download_that_breaks_is_begun_anew(client: Registry) -> None:
    answers: list[Callable[[], Answer]] = [
        lambda: (503, {}, b""),
        hang_up,
        lambda: (200, {"Content-Length": str(len(BLOB)), "Connection": "close"}, BLOB[:70_000]),
        lambda: (200, {}, BLOB),
    ]
    with serving(lambda request: answers.pop(0)()) as fake:
        client.download_blob(f"{fake.address}/a", DIGEST, "deep/out")
    assert Path("deep/out").read_bytes() == BLOB


def test_a_pull_that_breaks_goes_on_and_so_does_the_next(client: Registry, tmp_path: Path) -> None:
    layer = {"mediaType": "application/x", "digest": DIGEST, "size": len(BLOB)}
    titled = layer | {"annotations": {"org.opencontainers.image.title": "model.bin"}}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": layer, "layers": [titled]}).encode()
    refusing = True

    def script(request: Request) -> Answer:
        if "/manifests/" in request.path:
            return 200, {"Content-Type": MANIFEST}, manifest
        start = int(request.headers.get("range", "bytes=0-")[6:].partition("-")[0])
        if start >= 140_000 and refusing:
            return 403, {}, b""
        span = {"Content-Range": f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"} if start else {}
        end = start + 70_000 if refusing else len(BLOB)
        length = {"Content-Length": str(len(BLOB) - start), "Connection": "close"}
        return 206 if start else 200, span | length, BLOB[start:end]

    with serving(script) as fake:
        with pytest.raises(DeniedError):
            client.pull(f"{fake.address}/a:v1", outdir=str(tmp_path / "out"))
        assert not (tmp_path / "out" / "model.bin").exists()
        refusing = False
        client.pull(f"{fake.address}/a:v1", outdir=str(tmp_path / "out"))
        asked = [request.headers.get("range", "") for request in fake.seen if "/blobs/" in request.path]
    assert asked[:2] == ["", f"bytes=70000-{len(BLOB) - 1}"]
    assert asked[-1] == f"bytes=140000-{len(BLOB) - 1}"
    assert (tmp_path / "out" / "model.bin").read_bytes() == BLOB
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.bin"]


def hang_up() -> Answer:
    raise Hangup


def test_a_download_to_what_is_no_file_leaves_it(client: Registry) -> None:
    with pytest.raises(InputError, match="no file"):
        client.download_blob("127.0.0.1:1/a", DIGEST, "/dev/null")


@pytest.mark.parametrize(
    "members",
    [
        [member("../outside")],
        [member("link", ".."), member("link/outside")],
        [member("link", "/etc")],
        [member("../out-evil/outside")],
    ],
    ids=lambda members: " ".join(found.name for found in members),
)
def test_an_archive_writes_and_links_nowhere_else(
    client: Registry, address: str, tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    artifact(client, f"{address}/a:v1", archive(*members), "directory", DIRECTORY)
    with pytest.raises(InputError, match="can't be unpacked"):
        client.pull(f"{address}/a:v1", outdir=str(tmp_path / "out"))
    assert not list(tmp_path.rglob("outside"))
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_a_path_from_the_root_is_one_in_the_directory(client: Registry, address: str, tmp_path: Path) -> None:
    artifact(client, f"{address}/a:v1", archive(member("/outside-of-a-test")), "directory", DIRECTORY)
    client.pull(f"{address}/a:v1", outdir=str(tmp_path / "out"))
    assert (tmp_path / "out" / "outside-of-a-test").is_file()
    assert not Path("/outside-of-a-test").exists()


def test_what_is_no_archive_is_an_error(client: Registry, address: str, tmp_path: Path) -> None:
    whole = archive(member("file"))
    for number, data in enumerate((b"no gzip", whole[: len(whole) // 2])):
        artifact(client, f"{address}/a:v{number}", data, "directory", DIRECTORY)
        with pytest.raises(InputError, match="can't be unpacked"):
            client.pull(f"{address}/a:v{number}", outdir=str(tmp_path / "out"))


def test_a_digest_that_is_a_path_is_written_nowhere(tmp_path: Path, client: Registry) -> None:
    """By oras-py's own code for layouts, too, which makes paths of them."""
    where = "sha256:../../../../outside/blob"
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, "digest": where, "size": 2}]}
    config = {"mediaType": "application/x", "digest": where, "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [config]}
    for number, document in enumerate((index, manifest)):
        data = json.dumps(document).encode()
        with serving(lambda request, data=data: (200, {"Content-Type": json.loads(data)["mediaType"]}, data)) as fake:
            with pytest.raises(InputError, match="sha256"):
                NewLayoutFromRegistry(str(tmp_path / "a" / "b" / str(number)), client, f"{fake.address}/a:v1")
            with pytest.raises(InputError, match="sha256"):
                client.download_blob(f"{fake.address}/a", where, str(tmp_path / "a" / where))
    assert not list(tmp_path.rglob("*outside*"))


@pytest.mark.parametrize("title", ["../outside", "/tmp/outside-of-a-test", "a/../../outside"])
def test_a_title_names_no_file_elsewhere(client: Registry, address: str, tmp_path: Path, title: str) -> None:
    artifact(client, f"{address}/a:v1", b"x", title, "application/x")
    with pytest.raises(Exception, match="is not in"):
        client.pull(f"{address}/a:v1", outdir=str(tmp_path / "out"))
    assert not list(tmp_path.rglob("outside*"))
    assert not Path("/tmp/outside-of-a-test").exists()


def test_a_layer_without_a_title_is_kept_as_it_is(client: Registry, address: str, model: Path, tmp_path: Path) -> None:
    """An image's layers are not unpacked over each other."""
    layer = oras.oci.NewLayer(str(model), media_type=DIRECTORY)
    Path("config").write_bytes(b"{}")
    config = oras.oci.NewLayer("config", media_type="application/vnd.oci.image.config.v1+json")
    client.upload_blob(str(model), f"{address}/a", layer)
    client.upload_blob("config", f"{address}/a", config)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    client.upload_manifest(manifest, client.get_container(f"{address}/a:v1"))
    found = client.pull(f"{address}/a:v1", outdir=str(tmp_path / "out"))
    assert found == [str(tmp_path / "out" / DIGEST)]
    assert Path(found[0]).read_bytes() == BLOB


def test_a_damaged_manifest_is_refused_before_it_is_sent(client: Registry, address: str) -> None:
    damaged = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": "a", "size": 2}, "layers": []}
    with pytest.raises(InputError, match="digest"):
        client.upload_manifest(damaged, client.get_container(f"{address}/a:v1"))


# Who learns what


PASSWORD = "open sesame"


def basic(request: Request) -> Answer:
    if "authorization" not in request.headers:
        return 401, {"WWW-Authenticate": 'Basic realm="here"'}, b""
    return 200, {}, b'{"name": "a", "tags": ["v1"]}'


def test_a_login_is_for_one_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither another registry nor ~/.netrc's host hears of it."""
    with serving(basic) as one, serving(basic) as two:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password planted\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with Registry(one.address) as client:
            client.auth.set_basic_auth("me", PASSWORD)
            assert client.get_tags("a") == ["v1"]
            with pytest.raises(DeniedError, match="without credentials"):
                client.get_tags(f"{two.address}/a")
    assert [request.headers.get("authorization") for request in one.seen] == [None, "Basic bWU6b3BlbiBzZXNhbWU="]
    assert all("authorization" not in request.headers for request in two.seen)


def test_a_header_that_carries_a_secret_everywhere_is_left_out(client: Registry) -> None:
    client.set_header("Authorization", "Bearer planted")
    client.set_header("X-Trace", "7")
    with serving(lambda request: (200, {}, b'{"tags": []}')) as fake:
        client.get_tags(f"{fake.address}/a")
    assert [(r.headers.get("authorization"), r.headers.get("x-trace")) for r in fake.seen] == [(None, "7")]


def test_where_a_blob_is_stored_nobody_hears_who_asks() -> None:
    def signed(request: Request) -> Answer:
        if "authorization" not in request.headers:
            return basic(request)
        return 307, {"Location": f"{store.url}/blob?signature=1"}, b""

    with serving(lambda request: (200, {}, BLOB)) as store, serving(signed) as fake, Registry(fake.address) as client:
        client.auth.set_basic_auth("me", PASSWORD)
        client.download_blob("a", DIGEST, "out")
        assert client.get_blob("a", DIGEST, head=True).status_code == 200
    assert Path("out").read_bytes() == BLOB
    assert ["authorization" in request.headers for request in store.seen] == [False]


def test_a_list_that_goes_on_elsewhere_is_not_followed(client: Registry) -> None:
    with serving(lambda request: (200, {}, b"{}")) as other:
        link = {"Link": f'<{other.url}/v2/a/tags/list>; rel="next"'}
        with serving(lambda request: (200, link, b'{"tags": ["v1"]}')) as fake:
            with pytest.raises(InputError, match="elsewhere"):
                client.get_tags(f"{fake.address}/a")
    assert other.seen == []


def test_a_list_without_end_is_an_error(client: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.oras.registry._PAGES", 5)
    link = {"Link": '</v2/a/tags/list?last=v1>; rel="next"'}
    with serving(lambda request: (200, link, b'{"tags": ["v1"]}')) as fake:
        with pytest.raises(InputError, match="5 pages"):
            client.get_tags(f"{fake.address}/a")
    assert len(fake.seen) == 5


def test_a_login_without_a_registry_is_refused(client: Registry) -> None:
    with pytest.raises(InputError, match="one registry"):
        client.auth.set_basic_auth("me", PASSWORD)
    with pytest.raises(InputError, match="one registry"):
        client.auth.set_token_auth("token")


def test_a_token_of_the_program_is_used_as_it_is() -> None:
    def bearer(request: Request) -> Answer:
        if request.headers.get("authorization") != "Bearer mine":
            return 401, {"WWW-Authenticate": f'Bearer realm="http://{request.headers["host"]}/token"'}, b""
        return 200, {}, b'{"tags": ["v1"]}'

    with serving(bearer) as fake, Registry(fake.address) as client:
        client.auth.set_token_auth("mine")
        assert client.get_tags("a") == ["v1"]
    assert {request.path for request in fake.seen} == {"/v2/a/tags/list"}


def test_login_is_tried_and_kept_and_logout_forgets_it_here(tmp_path: Path, model: Path) -> None:
    with Server(tmp_path / "images", user=User("me", PASSWORD)) as server, Registry(server.address) as client:
        with pytest.raises(DeniedError):
            client.login("me", "wrong")
        assert not (tmp_path / "home" / ".docker").exists()
        assert client.login("me", PASSWORD) == {"Status": "Login Succeeded"}
        client.push("a:v1", files=[str(model)])
        with Registry() as other:  # finds what was kept
            assert other.get_tags(f"{server.address}/a") == ["v1"]
        client.logout(server.address)
        with pytest.raises(DeniedError):
            client.get_tags("a")


def test_a_config_that_the_caller_names_is_read_in_place_of_dockers(tmp_path: Path, model: Path) -> None:
    with Server(tmp_path / "images", user=User("me", PASSWORD)) as server, Registry() as client:
        entry = {"auths": {server.address: {"username": "me", "password": PASSWORD}}}
        Path("config.json").write_text(json.dumps(entry))
        with pytest.raises(DeniedError):
            client.push(f"{server.address}/a:v1", files=[str(model)])
        client.push(f"{server.address}/a:v1", files=[str(model)], config_path="config.json")
        assert client.pull(f"{server.address}/a:v1", config_path="config.json", outdir=str(tmp_path / "out"))


def test_certificates_are_always_verified() -> None:
    with pytest.raises(InputError, match="always verified"):
        Registry(tls_verify=False)


def test_plain_http_is_spoken_where_it_was_asked_for(client: Registry) -> None:
    """Beyond loopback: the door's scheme, for nothing may be sent there."""
    with Registry(insecure=True) as plain:
        assert plain._of("registry.example.com/a", push=False).requests.base == "http://registry.example.com/v2/a"
    assert client._of("registry.example.com/a", push=False).requests.base == "https://registry.example.com/v2/a"
