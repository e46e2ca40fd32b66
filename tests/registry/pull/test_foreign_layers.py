"""Layers that the registry does not have: left alone, or taken from their URLs where the user allows the host."""

import json
import random
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.counted import KiB, MiB
from support.fake_http import Answer, Request, serving
from support.fake_registry import FakeRegistry
from support.faults import Fault, answer
from support.personalities import DIST3

from cogpack.cli import run
from cogpack.commands.copy import copy
from cogpack.commands.pull import pull
from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError, UnavailableError
from cogpack.http import Http, Trust
from cogpack.layout import Layout
from cogpack.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from cogpack.registry.pull.foreign import ForeignLayers
from cogpack.registry.pull.tuning import Tuning
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
WINDOWS = random.Random(16).randbytes(2 * MiB + 5)
OWN = b"our own layer"
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
PASSWORD = "dXNlcjpvcGVuIHNlc2FtZQ=="  # user:open sesame


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Has all but the foreign layer, for whoever has the password."""
    with FakeRegistry(DIST3, auth="basic").running() as found:
        yield found


@pytest.fixture
def files() -> Iterator[FakeRegistry]:
    """Another server, with the foreign layer."""
    with FakeRegistry(DIST3).running() as found:
        found.add_blob("a/b", WINDOWS)
        yield found


@contextmanager
def session(registry: FakeRegistry, tmp_path: Path, *allowed: str) -> Iterator[Session]:
    auths = {"auths": {registry.address: {"auth": PASSWORD}}}
    environment = {"HOME": "/nonexistent", "DOCKER_AUTH_CONFIG": json.dumps(auths)}
    settings = Settings(cache=tmp_path / "cache", environment=environment, foreign_hosts=frozenset(allowed))
    with Session(settings, tuning=Tuning(ranged=MiB, part=128 * KiB)) as found:
        yield found


def url_at(files: FakeRegistry) -> str:
    return f"http://{files.address}/v2/a/b/blobs/{sha256(WINDOWS)}"


def image(*urls: str) -> bytes:
    def named(data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        return {"mediaType": kind, "digest": sha256(data), "size": len(data)} | more

    layers = [named(WINDOWS, FOREIGN, urls=list(urls)), named(OWN, OCI_LAYER)]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": named(CONFIG, OCI_CONFIG), "layers": layers}
    return json.dumps(document, indent=3).encode()


def put(registry: FakeRegistry, *urls: str) -> str:
    """HOST/NAME:TAG of an image whose lowest layer is at `urls`."""
    registry.add_blob("a/b", CONFIG)
    registry.add_blob("a/b", OWN)
    registry.add_manifest("a/b", image(*urls), OCI_MANIFEST, "v1")
    return f"{registry.address}/a/b:v1"


def blob_of(layout: Path, data: bytes) -> bytes:
    return (layout / "blobs" / "sha256" / sha256(data)[7:]).read_bytes()


def test_an_allowed_host_is_asked_in_ranges_and_without_credentials(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path
) -> None:
    name = put(registry, url_at(files))
    with session(registry, tmp_path, files.address) as found:
        pulled = pull(found, name, tmp_path / "out")
    assert pulled.digest == sha256(image(url_at(files)))
    assert blob_of(tmp_path / "out", WINDOWS) == WINDOWS
    assert blob_of(tmp_path / "out", OWN) == OWN
    assert len(files.seen) > 1
    assert all("range" in seen.headers for seen in files.seen)
    assert {seen.status for seen in files.seen} == {206}
    for seen in files.seen:
        assert not {"authorization", "cookie"} & seen.headers.keys()
    assert any("authorization" in seen.headers for seen in registry.seen)


def test_an_archive_has_them_too(registry: FakeRegistry, files: FakeRegistry, tmp_path: Path) -> None:
    name = put(registry, url_at(files))
    with session(registry, tmp_path, "127.0.0.1") as found:  # any port
        pull(found, name, tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as tar:
        member = tar.extractfile(f"blobs/sha256/{sha256(WINDOWS)[7:]}")
        assert member
        assert member.read() == WINDOWS


@pytest.mark.parametrize("allowed", [(), ("files.example.com",), ("127.0.0.1:1",)])
def test_other_hosts_are_not_asked_and_the_option_is_named_before_any_blob_is_fetched(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path, allowed: tuple[str, ...]
) -> None:
    name = put(registry, url_at(files))
    with session(registry, tmp_path, *allowed) as found:
        with pytest.raises(InputError, match=sha256(WINDOWS)) as caught:
            pull(found, name, tmp_path / "out")
    assert caught.value.next_step == f"add --allow-foreign {files.address} to take it from there"
    assert files.seen == []
    assert registry.kinds("GET blob") == []
    assert not (tmp_path / "out" / "index.json").exists()


def test_a_layer_that_the_registry_has_comes_from_there(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path
) -> None:
    name = put(registry, url_at(files))
    registry.add_blob("a/b", WINDOWS)
    for allowed in ((), (files.address,)):
        with session(registry, tmp_path, *allowed) as found:
            pull(found, name, tmp_path / f"out{len(allowed)}")
        assert blob_of(tmp_path / f"out{len(allowed)}", WINDOWS) == WINDOWS
    assert files.seen == []


def test_what_breaks_goes_on_where_it_was(registry: FakeRegistry, files: FakeRegistry, tmp_path: Path) -> None:
    name = put(registry, url_at(files))
    files.on("GET blob", Fault("reset", after=100 * KiB))
    files.on("GET blob", answer(503, times=30), when=lambda seen: len(files.seen) > 3)  # it is away for a while
    with session(registry, tmp_path, files.address) as found:
        pulled = pull(found, name, tmp_path / "out")
    assert blob_of(tmp_path / "out", WINDOWS) == WINDOWS
    assert pulled.fetched == len(WINDOWS) + len(OWN) + len(CONFIG)


def test_wrong_bytes_become_no_blob(registry: FakeRegistry, files: FakeRegistry, tmp_path: Path) -> None:
    name = put(registry, url_at(files))
    files.blobs["a/b"][sha256(WINDOWS)] = bytes(len(WINDOWS))
    with session(registry, tmp_path, files.address) as found:
        with pytest.raises(MismatchError, match=sha256(WINDOWS)):
            pull(found, name, tmp_path / "out")
    assert not (tmp_path / "out" / "blobs" / "sha256" / sha256(WINDOWS)[7:]).exists()


def test_a_coded_answer_is_no_blob(registry: FakeRegistry, tmp_path: Path) -> None:
    with serving(lambda _: (200, {"Content-Encoding": "gzip"}, WINDOWS)) as proxy:
        name = put(registry, f"{proxy.url}/layer")
        with session(registry, tmp_path, proxy.address) as found:
            with pytest.raises(MismatchError, match="Content-Encoding gzip"):
                pull(found, name, tmp_path / "out")


@pytest.mark.parametrize("status", [404, 503])
def test_the_next_url_is_asked_where_one_has_nothing(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path, status: int
) -> None:
    with serving(lambda _: (status, {}, b"")) as empty:
        name = put(registry, "http://127.0.0.1:1/down", f"{empty.url}/layer", url_at(files))
        with session(registry, tmp_path, "127.0.0.1") as found:
            pull(found, name, tmp_path / "out")
        assert len(empty.seen) >= 1
    assert blob_of(tmp_path / "out", WINDOWS) == WINDOWS


def test_a_url_with_nothing_behind_it_is_an_error_that_shows_no_query(registry: FakeRegistry, tmp_path: Path) -> None:
    with serving(lambda _: (404, {}, b"")) as empty:
        name = put(registry, f"{empty.url}/layer?sig=secret")
        with session(registry, tmp_path, empty.address) as found:
            with pytest.raises(InputError, match="HTTP 404 for a layer that no registry has") as caught:
                pull(found, name, tmp_path / "out")
    assert "secret" not in caught.value.message
    assert len(empty.seen) == 1


def test_a_redirect_is_followed_and_asked_for_again_when_it_has_ended(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path
) -> None:
    name = put(registry, url_at(files))
    asked: list[str] = []

    def storage(request: Request) -> Answer:
        asked.append(request.headers["range"])
        if len(asked) == 2:
            return 403, {}, b""
        start, end = (int(word) for word in request.headers["range"].removeprefix("bytes=").split("-"))
        return 206, {"Content-Range": f"bytes {start}-{end}/{len(WINDOWS)}"}, WINDOWS[start : end + 1]

    with serving(storage) as fake:
        files.storage = fake.url
        with session(registry, tmp_path, files.address) as found:
            pull(found, name, tmp_path / "out")
    assert blob_of(tmp_path / "out", WINDOWS) == WINDOWS
    assert 2 <= len(files.kinds("GET blob")) < len(asked)  # once in the beginning, and not for each range


@pytest.mark.parametrize("redirected", [False, True])
def test_no_url_leads_to_where_the_registry_may_not_send_us(
    registry: FakeRegistry, tmp_path: Path, *, redirected: bool
) -> None:
    away = "https://169.254.169.254/latest"
    with serving(lambda _: (307, {"Location": away}, b"")) as fake:
        name = put(registry, f"{fake.url}/layer" if redirected else away)
        with session(registry, tmp_path, fake.address, "169.254.169.254") as found:
            with pytest.raises(InputError, match=r"sends us to 169\.254\.169\.254"):
                pull(found, name, tmp_path / "out")


@pytest.mark.parametrize(
    ("url", "followed", "advice"),
    [
        ("https://allowed.example/x", True, ""),
        ("https://ALLOWED.example:8443/x?y=z", True, ""),
        ("https://port.example:8443/x", True, ""),
        ("https://port.example/x", False, "--allow-foreign port.example"),
        ("https://not-allowed.example/x", False, "--allow-foreign not-allowed.example"),
        ("https://allowed.example.evil.example/x", False, "--allow-foreign allowed.example.evil.example"),
        ("http://allowed.example/x", False, "--insecure-registry allowed.example"),
        ("http://plain.example/x", True, ""),
        ("http://x.example/x", False, "--allow-foreign x.example --insecure-registry x.example"),
        ("https://user:password@allowed.example/x", False, ""),
        ("ftp://allowed.example/x", False, ""),
        ("file:///etc/passwd", False, ""),
        ("//allowed.example/x", False, ""),
        ("https://allowed.example:port/x", False, ""),
        ("https://[/x", False, ""),
        ("https://allowed.example\\@evil.example/x", False, ""),
        ("https://x.example$(reboot)/x", False, ""),
        ("", False, ""),
    ],
)
def test_only_plain_addresses_of_allowed_hosts_are_followed(url: str, followed: bool, advice: str) -> None:
    hosts = {"Allowed.example", "port.example:8443", "plain.example"}
    layer = Descriptor(media_type=FOREIGN, digest=sha256(b""), size=0, urls=[url])
    with Http(trust=Trust(insecure_hosts=frozenset({"plain.example"}))) as http:
        elsewhere = ForeignLayers(http, hosts, origin="https://registry.example/v2/")
        assert elsewhere.urls(layer) == ([url] if followed else [])
        assert elsewhere.advice(layer) == advice


# Copies


def test_a_copy_takes_them_along_where_the_host_is_allowed(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path
) -> None:
    name = put(registry, url_at(files))
    with FakeRegistry(DIST3).running() as target:  # which takes no manifest without its layers
        with session(registry, tmp_path, files.address) as found:
            copied = copy(found, name, f"{target.address}/c/d:v1")
            assert copied.sent == len(WINDOWS) + len(OWN) + len(CONFIG) + len(image(url_at(files)))
            assert copy(found, name, f"{target.address}/c/d:v1").sent == 0
        assert target.blobs["c/d"][sha256(WINDOWS)] == WINDOWS
        assert target.manifests["c/d"][target.tags["c/d"]["v1"]][1] == image(url_at(files))
    assert len(files.seen) == 1
    assert not {"authorization", "cookie"} & files.seen[0].headers.keys()


def test_an_image_that_was_copied_without_them_gets_them_later(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path
) -> None:
    name = put(registry, url_at(files))
    for allowed in ((), (files.address,)):
        with session(registry, tmp_path, *allowed) as found:
            copy(found, name, f"{tmp_path}/out:v1")
        there = tmp_path / "out" / "blobs" / "sha256" / sha256(WINDOWS)[7:]
        assert there.exists() == bool(allowed)
    assert Layout.read(tmp_path / "out").names()["v1"].digest == sha256(image(url_at(files)))


def test_a_copy_reads_them_where_the_source_has_them(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path
) -> None:
    name = put(registry, url_at(files))
    with session(registry, tmp_path, files.address) as found, FakeRegistry(DIST3).running() as target:
        pull(found, name, tmp_path / "out")
        asked = len(files.seen)
        copy(found, f"{tmp_path}/out", f"{target.address}/c/d:v1")
        assert target.blobs["c/d"][sha256(WINDOWS)] == WINDOWS
        assert len(files.seen) == asked


@pytest.mark.parametrize("how", ["wrong", "short"])
def test_a_copy_of_wrong_bytes_gives_no_name(
    registry: FakeRegistry, files: FakeRegistry, tmp_path: Path, how: str
) -> None:
    name = put(registry, url_at(files))
    files.blobs["a/b"][sha256(WINDOWS)] = bytes(len(WINDOWS)) if how == "wrong" else WINDOWS[:-1]
    with session(registry, tmp_path, files.address) as found:
        with pytest.raises(MismatchError if how == "wrong" else UnavailableError):
            copy(found, name, f"{tmp_path}/out:v1")
    assert not (tmp_path / "out" / "index.json").exists()


# The command line


@pytest.mark.parametrize("command", [("pull", "-o"), ("copy",)], ids=["pull", "copy"])
def test_the_command_line_allows_hosts(
    registry: FakeRegistry,
    files: FakeRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": {registry.address: {"auth": PASSWORD}}}))
    name = put(registry, url_at(files))
    words = [command[0], name, *command[1:], f"{tmp_path}/out"]
    there = tmp_path / "out" / "blobs" / "sha256" / sha256(WINDOWS)[7:]
    run(words)
    assert f"--allow-foreign {files.address}" in capsys.readouterr().err
    assert not there.exists()
    assert run([*words, "--allow-foreign", "other.example.com", "--allow-foreign", files.address]) == 0
    assert there.read_bytes() == WINDOWS
