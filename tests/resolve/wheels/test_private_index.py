"""A package index with a private authority: uv asks it, and our own client fetches from it, by the same variables."""

import hashlib
import socket
from functools import partial
from pathlib import Path

import pytest
from support.proxy import proxying
from support.sockets import answer, server_tls, talking
from support.wheels import make_wheel
from trustme import CA

from cogpack.artifacts import Artifact, Store
from cogpack.digest import sha256
from cogpack.errors import CogpackError, InputError
from cogpack.http import Http
from cogpack.requirements.model import Requirements
from cogpack.resolve.wheels.addresses import wheel_urls
from cogpack.resolve.wheels.compile import Uv, WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import resolve_wheels
from cogpack.resolve.wheels.target import TargetPython

TARGET = TargetPython(python="3.12", glibc="2.36", arch="amd64")


def indexes(environment: dict[str, str]) -> Indexes:
    return Indexes.from_environment(environment, Requirements())


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [True, False])
def test_an_index_whose_authority_ssl_cert_file_names_is_asked_and_fetched_from(trusted: bool, tmp_path: Path) -> None:
    authority = CA()
    wheel = make_wheel(tmp_path, "one").read_bytes()
    hashed = hashlib.sha256(wheel).hexdigest()
    page = f'<a href="/one-1.0-py3-none-any.whl#sha256={hashed}">one-1.0-py3-none-any.whl</a>'.encode()

    def script(connection: socket.socket, head: str) -> None:
        path = head.split(" ")[1]
        body = wheel if path.endswith(".whl") else page if path == "/simple/one/" else None
        kind = "application/octet-stream" if path.endswith(".whl") else "text/html"
        if body is None:
            answer(connection, "404 Not Found", Connection="close")
        else:
            answer(connection, body=b"" if head.startswith("HEAD") else body, Content_Type=kind, Connection="close")

    file = tmp_path / "authority.pem"
    (authority if trusted else CA()).cert_pem.write_to_path(str(file))
    with talking(script, server_tls(authority, "index.example")) as server:
        with proxying({"index.example": server.port}) as proxy:
            environment = {
                "SSL_CERT_FILE": str(file),
                "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
                "UV_DEFAULT_INDEX": "https://index.example/simple",
                "UV_HTTP_RETRIES": "0",
            }
            cache = tmp_path / "cache"
            uv = Uv(indexes=indexes(environment), target=TARGET, cache=cache, metadata=cache / "uv")
            resolve = partial(resolve_wheels, WheelQuestion(requirements=["one"], root=tmp_path), uv)
            if not trusted:
                with pytest.raises(CogpackError):
                    resolve()
                assert server.heads == []
                return
            (locked,) = resolve().wheels
            assert locked.sha256 == hashed
            urls = wheel_urls([locked], uv)
            with Http(environment=environment) as http:
                store = Store(tmp_path / "store", http)
                path = store.fetch(Artifact(locked.filename, sha256(wheel), None), lambda: urls[hashed])
            assert path.read_bytes() == wheel
            assert all(head.startswith("CONNECT index.example:443 ") for head in proxy.heads)


def test_uv_believes_the_system_unless_something_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert indexes({}).variables()["UV_SYSTEM_CERTS"] == "1"
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        assert "UV_SYSTEM_CERTS" not in indexes({name: "/x"}).variables()
    monkeypatch.setattr("cogpack.resolve.wheels.indexes.system_bundle", lambda: None)
    assert "UV_SYSTEM_CERTS" not in indexes({}).variables()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_INDEX_URL", "http://me:secret@[::1/simple"),
        ("UV_INDEX", "https://h.example/a b=http://me:secret@[::1/simple"),
        ("UV_FIND_LINKS", "file://me:secret@[x/y"),
        ("PIP_EXTRA_INDEX_URL", "https://${HOST}/simple"),
    ],
)
def test_an_index_of_the_environment_that_is_no_address_is_told_as_that(name: str, value: str) -> None:
    """It was a bug of cogpack, by its own word."""
    with pytest.raises(InputError, match=f"{name}: .* is no address") as caught:
        Indexes.from_environment({name: value, "HOST": "["}, Requirements())
    assert "secret" not in caught.value.message
