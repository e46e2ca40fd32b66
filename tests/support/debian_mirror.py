"""A mirror of Debian with a few packages, and archives beside it, served on loopback."""

import functools
import hashlib
import http.server
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.debian_archive import Signer, write_suite
from support.debs import deb, member, stanza
from support.serving import served

from cogpack.resolve.debs.archives import keyring
from cogpack.resolve.debs.bases import BASE_PACKAGES


def pooled(
    archive: Path,
    name: str,
    version: str = "1",
    *,
    files: Mapping[str, str] = {},
    control: Mapping[str, str] = {},
    **fields: str,
) -> str:
    """Put a package into an archive's pool, and give its stanza."""
    members = [member(f"./{path}", text) for path, text in files.items()]
    data = deb(name, *members, version=version, control=control)
    path = archive / "pool" / f"{name}_{version}.deb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    known = {"Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest()}
    return stanza(name, version, **known | {key: value for key, value in fields.items() if value})


class _Handler(http.server.SimpleHTTPRequestHandler):
    ranges = True
    seen: list[str] = []  # noqa: RUF012 - one a test

    def do_GET(self) -> None:
        self.seen.append(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not (asked and self.ranges):
            super().do_GET()
            return
        data = Path(self.translate_path(self.path)).read_bytes()
        part = data[int(asked[1]) : int(asked[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Archive:
    """Debian's two archives, with Python and what a test adds. `seen`: the paths that were asked for."""

    def __init__(self, root: Path, signer: Signer) -> None:
        self.root = root
        self.host = ""
        self.url = ""
        self.seen: list[str] = []
        self._signer = signer
        self._index = "".join(stanza(name) for name in BASE_PACKAGES if name != "python3")
        self._index += stanza("python3", "3.13.5-1", Depends="libc6") + stanza("libc6", "2.41-12")

    def add(
        self,
        name: str,
        *,
        version: str = "1",
        depends: str = "",
        recommends: str = "",
        files: Mapping[str, str] = {},
        **control: str,
    ) -> None:
        relations = {"Depends": depends, "Recommends": recommends}
        self._index += pooled(self.root / "debian", name, version, files=files, control=control, **relations)

    def fill(self) -> None:
        """Have the packages of the base, too, each with its file."""
        self._index = ""
        for name in BASE_PACKAGES:
            if name != "python3":
                self.add(name, files={"usr/bin/apt-get": ""} if name == "apt" else {})
        self.add("libc6", version="2.41-12")
        self.add("python3", version="3.13.5-1", depends="libc6")

    def finish(self, security: str = "") -> None:
        for directory in self.root.glob("*/dists"):
            shutil.rmtree(directory)
        write_suite(self.root, "debian", "trixie", self._index, self._signer)
        write_suite(self.root, "debian", "trixie-updates", "", self._signer)
        write_suite(self.root, "debian-security", "trixie-security", security, self._signer)

    def also(self, suite: str, changes: Mapping[str, str]) -> None:
        """Have another suite, too, whose index is that of the first with these `changes`."""
        index = self._index
        for old, new in changes.items():
            index = index.replace(old, new)
        write_suite(self.root, "debian", suite, index, self._signer)
        write_suite(self.root, "debian", f"{suite}-updates", "", self._signer)
        write_suite(self.root, "debian-security", f"{suite}-security", "", self._signer)


@contextmanager
def mirroring(root: Path, signer: Signer, *, ranges: bool = True) -> Iterator[Archive]:
    made = Archive(root, signer)
    (made.root / "debian").mkdir(parents=True)
    handler = type("Handler", (_Handler,), {"ranges": ranges, "seen": made.seen})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=made.root))
    with served(server):
        made.host = f"http://127.0.0.1:{server.server_port}"
        made.url = f"{made.host}/debian,{made.host}/debian-security"
        yield made


@contextmanager
def trusted(root: Path, patch: pytest.MonkeyPatch, *, ranges: bool = True) -> Iterator[Archive]:
    """The same of one whose signature counts as Debian's."""
    signer = Signer()
    patch.setattr(keyring, "debian_keyring", lambda: signer.keyring)
    with mirroring(root, signer, ranges=ranges) as made:
        yield made
