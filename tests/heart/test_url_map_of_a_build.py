"""A project whose package index, Debian mirror and weights lie behind a map of addresses is locked and built."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.debian_archive import Signer, write_suite
from support.debs import deb, stanza
from support.fake_http import Answer, Fake, Request, serving
from support.wheels import make_wheel
from support.world import CLOSED, Done, Project, World, noise, ok

from cogpack.resolve.debs.archives import keyring as keyring_module
from cogpack.resolve.debs.bases import BASE_PACKAGES

pytestmark = pytest.mark.slow

DEBIAN, SECURITY = "http://deb.test/debian", "http://deb.test/debian-security"
INDEX, FILES, WEIGHTS = "https://index.test/simple", "https://files.test", "https://weights.test"
LOGIN = "Basic " + base64.b64encode(b"me:of-the-proxy").decode()


class Proxy:
    """A company's proxy: each host of the outside has a path of its own here, and nothing is given without a login.

    `dropped`: what the mirror has not any more, and only the snapshots have.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fake: Fake
        self.dropped = ""
        self.strangers: list[Request] = []

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != LOGIN:
            self.strangers.append(request)
            return 401, {"WWW-Authenticate": "Basic"}, b""
        host, _, path = request.path.removeprefix("/").partition("/")
        if host == "index":
            return self._page(path.strip("/"))
        if host == "snapshot":
            path = re.sub(r"/[0-9TZ]+/", "/", path)
        elif self.dropped and path.endswith(self.dropped):
            return 404, {}, b""
        if host == "weights" and not path.startswith("stored/"):
            return 302, {"Location": f"/weights/stored/{path}"}, b""
        file = self.root / ("debian" if host in ("deb", "snapshot") else host) / path.removeprefix("stored/")
        if not file.is_file():
            return 404, {}, b""
        data = file.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if asked is None:
            return 200, {"Content-Length": str(len(data))}, data
        part = data[int(asked[1]) : int(asked[2]) + 1]
        return 206, {"Content-Range": f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(data)}"}, part

    def _page(self, name: str) -> Answer:
        files = [
            {
                "filename": path.name,
                "url": f"{FILES}/{path.name}",
                "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
                "size": path.stat().st_size,
            }
            for path in sorted((self.root / "files").glob(f"{name}-*.whl"))
        ]
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": ["1.0"]}
        return 200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, json.dumps(page).encode()

    def map(self) -> str:
        sides = {DEBIAN: "deb/debian", SECURITY: "deb/debian-security", INDEX: "index", FILES: "files"}
        sides |= {WEIGHTS: "weights", "https://snapshot.debian.org/archive": "snapshot"}
        return " ".join(f"{prefix}={self.fake.url}/{path}" for prefix, path in sides.items())


@pytest.fixture
def proxy(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy(world.directory / "outside")
    debian, files, weights = (made.root / name for name in ("debian", "files", "weights"))
    signer = Signer()
    monkeypatch.setattr(keyring_module, "debian_keyring", lambda: signer.keyring)
    index = ""
    for name in (*BASE_PACKAGES, "libc6", "app"):
        version = {"python3": "3.13.5-1", "libc6": "2.41-12"}.get(name, "1")
        data = deb(name, version=version)
        path = debian / "debian" / "pool" / f"{name}_{version}.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        needs = {"Depends": "libc6"} if name == "python3" else {}
        index += stanza(name, version, Size=str(len(data)), SHA256=hashlib.sha256(data).hexdigest(), **needs)
    write_suite(debian, "debian", "trixie", index, signer)
    write_suite(debian, "debian", "trixie-updates", "", signer)
    write_suite(debian, "debian-security", "trixie-security", "", signer)
    for name, version in (("cog", "0.23.1"), ("coglet", "0.23.1"), ("pip", "26.0"), ("one", "1.0"), ("two", "1.0")):
        make_wheel(files, name, version)
    weights.mkdir()
    (weights / "model.bin").write_bytes(noise(70_000))
    with serving(made.answer) as made.fake:
        yield made


def project(world: World, name: str) -> Project:
    found = world.project(name)
    found.write("requirements.txt", f"one\ntwo @ {FILES}/two-1.0-py3-none-any.whl\n")
    found.write(
        "cog.yaml",
        'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n  system_packages: [app]\n'
        'predict: "predict.py:Predictor"\n'
        "model: example.test/me/model\n"
        f"weights:\n  - name: model\n    target: /src/weights\n    source:\n      uri: {WEIGHTS}/model.bin\n",
    )
    return found


def run(made: Project, *arguments: str, **environment: str) -> Done:
    return made.cogpack(
        *arguments,
        COGPACK_DEBIAN_MIRROR=f"{DEBIAN},{SECURITY}",
        UV_DEFAULT_INDEX=INDEX,
        UV_FIND_LINKS="",
        COGPACK_CACHE_DIR=str(made.root.with_name(f"{made.root.name}-cache")),
        **environment,
    )


def test_a_project_behind_a_map_is_locked_and_built_as_without_it(world: World, proxy: Proxy) -> None:
    netrc = world.directory / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password of-the-proxy\nmachine weights.test login x password secret\n")
    machine = world.directory / "machine.toml"
    entries = ", ".join(f'"{entry}"' for entry in proxy.map().split())
    machine.write_text(f"url_map = [{entries}]\n")
    digests, locks = set(), set()
    for name, environment in {
        "one": {"COGPACK_URL_MAP": proxy.map(), "NETRC": str(netrc)},
        "two": {"COGPACK_CONFIG": str(machine), "NETRC": str(netrc)},
    }.items():
        made = project(world, name)
        ok(run(made, "lock", **environment))
        proxy.dropped = "app_1.deb" if name == "two" else ""
        digests.add(
            ok(run(made, "build", "-o", f"../{name}-image", "-t", "example.test/me/model:v1", **environment)).digest
        )
        locks.add((made.root / "cogpack.lock").read_text())
    (lock,) = locks
    assert len(digests) == 1
    # What uv asks for itself it asks without a login first, and looks into the file after a refusal.
    assert [request.path for request in proxy.strangers if request.headers["user-agent"] == "cogpack"] == []
    assert proxy.fake.address not in lock
    assert f"{FILES}/two-1.0-py3-none-any.whl" in lock
    assert f"{WEIGHTS}/model.bin" in lock
    for blob in (world.directory / "one-image").rglob("*"):
        assert not blob.is_file() or proxy.fake.address.encode() not in blob.read_bytes()
    told = ok(run(made, "plan", "-v", COGPACK_URL_MAP=proxy.map(), NETRC=str(netrc))).err
    assert f"COGPACK_URL_MAP: {INDEX}={proxy.fake.url}/index\n" in told
    assert any("/snapshot/" in request.path for request in proxy.fake.seen)


def test_what_fails_behind_a_map_names_both_addresses(world: World, proxy: Proxy) -> None:
    netrc = world.directory / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password of-the-proxy\n")
    environment = {"COGPACK_URL_MAP": proxy.map(), "NETRC": str(netrc)}
    made = project(world, "one")
    made.write("requirements.txt", "absent\n")
    done = run(made, "lock", **environment)
    assert done.code == 2
    (proxy.root / "weights" / "model.bin").unlink()
    done = run(project(world, "two"), "lock", **environment)
    assert f"{WEIGHTS}/model.bin (through {proxy.fake.url}/weights/model.bin): 404" in done.err
    done = run(project(world, "three"), "lock", COGPACK_URL_MAP=proxy.map().replace(proxy.fake.url, CLOSED))
    assert done.code == 5
    assert f"{DEBIAN}/dists/trixie/InRelease (through {CLOSED}/deb/debian/dists/trixie/InRelease): " in done.err
    closed = world.project("four", requirements="one\n")
    closed.write("requirements.txt", "one\n")
    done = run(closed, "lock", COGPACK_URL_MAP=proxy.map().replace(proxy.fake.url, CLOSED))
    assert done.code == 5
    assert f"{INDEX}/" in done.err
    assert f"/ (through {CLOSED}/index/" in done.err


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"COGPACK_URL_MAP": "https://a.test"}, "COGPACK_URL_MAP: 'https://a.test': expected PREFIX=PREFIX"),
        ({"COGPACK_CONFIG": "machine.toml"}, "machine.toml: url_map: 'https://a.test': expected PREFIX=PREFIX"),
        (
            {"COGPACK_URL_MAP": "https://a.test=http://p.test"},
            "COGPACK_URL_MAP: https://a.test=http://p.test: what is asked for over TLS would go in the clear",
        ),
    ],
)
def test_a_malformed_map_is_refused_before_anything_else(world: World, environment: dict[str, str], why: str) -> None:
    made = world.project()
    made.write("machine.toml", 'url_map = ["https://a.test"]\n')
    done = made.cogpack("plan", **environment)
    assert done.code == 2
    assert why in done.err
