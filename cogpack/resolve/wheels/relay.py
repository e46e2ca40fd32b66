"""uv reads pages of mapped indexes from here, on loopback: it knows no map, and would ask for the files that a page
names where the page says. Here a page names the addresses that are asked for them, and is itself asked for as all else
is: by the map, with the login of the host that it leads to.

The address has a word that only this user knows, and is the same in each run as long as its port is free: by it uv
keeps what it read.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urljoin

from cogpack.errors import CogpackError, InputError, UnavailableError
from cogpack.http import RETRIED, Http, host_of
from cogpack.oci import decode, encode
from cogpack.progress import Cancelled
from cogpack.resolve.wheels.links import rewritten

_LOOPBACK = "127.0.0.1"
_FIRST_PORT, _PORTS = 20_000, 10_000
"""Below those that systems give away, so that none of this run is likely to be taken in the next."""
_MOST = 128 * 1024 * 1024
"""Bytes of a page."""
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)
_FORBIDS_WHAT_IT_LACKS = ("download.pytorch.org",)
"""Hosts whose 403 says that there is no such package: so uv takes it, where it asks them itself."""
_KEPT = ("content-type", "cache-control")
_Answer = tuple[int, dict[str, str], bytes]


class Relay:
    """Serves pages of the indexes that an address was asked for, until it is closed. `word`: secret, the same in each
    run."""

    def __init__(self, http: Http, word: str) -> None:
        self._http = http
        self._word = word
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._indexes: dict[str, tuple[str, Callable[[str], str]]] = {}
        self._failed: CogpackError | None = None

    def address(self, index: str, authorised: Callable[[str], str]) -> str:
        """Give where the pages of `index`, as the user has it, are read. `authorised` gives an address with the login
        that there is for it."""
        # What uv kept of a page names the addresses that a map led to: another map's pages are others.
        rules = sorted(map(str, self._http.url_map.rules))
        name = hashlib.sha256("\n".join((index, *rules)).encode()).hexdigest()[:12]
        with self._lock:
            self._indexes[name] = index, authorised
            if self._server is None:
                self._server = _Server(self._answer, self._word)
            return f"http://{_LOOPBACK}:{self._server.server_port}/{self._word}/{name}"

    def failure(self) -> CogpackError | None:
        """Give why a page could not be had since it was asked last: who reads is told that there is none."""
        with self._lock:
            found, self._failed = self._failed, None
            return found

    def close(self) -> None:
        if self._server is not None:
            self._server.end()

    def _answer(self, path: str, accept: str) -> _Answer:
        name, _, rest = path.removeprefix(f"/{self._word}/").partition("/")
        with self._lock:
            known = self._indexes.get(name) if path.startswith(f"/{self._word}/") else None
        if known is None:
            return HTTPStatus.NOT_FOUND, {}, b""
        index, authorised = known
        url = f"{index.rstrip('/')}/{rest}" if rest else index
        try:
            status, headers, page = self._page(authorised(url), accept)
            if status == HTTPStatus.FORBIDDEN and host_of(index) in _FORBIDS_WHAT_IT_LACKS:
                status = HTTPStatus.NOT_FOUND
            return status, headers, page
        except CogpackError as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - it is told; uv would be told nothing, and ask again
            failed = UnavailableError(
                f"{self._http.shown(url)}: its page can't be read: {type(error).__name__}",
                next_step="check what the index answers there",
            )
            failed.__cause__ = error
        with self._lock:
            self._failed = self._failed or failed
        return HTTPStatus.NOT_FOUND, {}, b""

    def _page(self, url: str, accept: str) -> _Answer:
        found = self._http.request(
            "GET", url, origin=url, headers={"Accept": accept}, limit=_MOST, tries="few", follow=True
        )
        if found.status in RETRIED:
            raise UnavailableError(
                f"{self._http.shown(found.url)}: HTTP {found.status}", next_step="check the index, then run it again"
            )
        headers = {name: found.headers[name] for name in _KEPT if name in found.headers}
        if found.status != HTTPStatus.OK:
            return found.status, headers, b""
        base = self._http.url_map.of(found.url)
        if _JSON.match(found.headers.get("content-type", "")):
            return HTTPStatus.OK, headers, self._of_json(found.body, base)
        page = rewritten(found.body.decode("utf-8", "surrogateescape"), base, self._asked)
        return HTTPStatus.OK, headers, page.encode("utf-8", "surrogateescape")

    def _of_json(self, body: bytes, base: str) -> bytes:
        """Write PEP 691's form anew; what is none is left to who reads it."""
        with suppress(InputError, TypeError, KeyError):
            page = decode(body, dict[str, Any], where=base)
            for file in page["files"]:
                file["url"] = self._asked(file["url"], base)
            return encode(page)
        return body

    def _asked(self, link: str, base: str) -> str:
        """Give what is asked for `link`; one that can't be read stays, for who reads it to complain of."""
        with suppress(ValueError):
            return self._http.url_map.of(urljoin(base, link))
        return link


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[str, str], _Answer], word: str) -> None:
        self.answer = answer
        usual = _FIRST_PORT + int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % _PORTS
        try:
            super().__init__((_LOOPBACK, usual), _Exchange)
        except OSError:  # another run's
            super().__init__((_LOOPBACK, 0), _Exchange)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="relay", daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        # The base class's own would ask DNS for this machine's name.
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def end(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell nobody: who asked is gone."""


class _Exchange(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            status, headers, body = self.server.answer(self.path, self.headers.get("Accept", "*/*"))
        except Cancelled:  # the run has ended, and so does this thread, which nobody else asks
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
