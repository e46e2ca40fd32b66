"""A registry on raw sockets whose manners and misfortunes are chosen by the test.

Real registries differ in what they say (`personalities`) and break below what HTTP libraries can show (`faults`). Blobs
are kept in memory, or only hashed with `keep=False`, or made when they are asked for (`Counted`), so that large ones
cost nothing.
"""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs

from support.counted import Counted
from support.fake_connection import Connection
from support.fake_endpoints import Answer, Session
from support.faults import Fault, Seen
from support.personalities import DIST3, Personality, error


class FakeRegistry:
    """`blobs`: repository -> digest -> bytes (b"" where only hashed) and `sizes` beside it; `manifests` and `tags` too.

    `auth`: "", "basic" (user "user", password "open sesame") or "token", for which `/token` gives tokens that live
    `life` seconds of `clock`.
    """

    def __init__(self, personality: Personality = DIST3, *, auth: str = "", keep: bool = True) -> None:
        self.personality = personality
        self.auth = auth
        self.keep = keep
        self.life = 300.0
        self.leeway = 0.0
        """Seconds that a token serves beyond its life."""
        self.clock: Callable[[], float] = time.monotonic
        self.seen: list[Seen] = []
        self.blobs: dict[str, dict[str, bytes | Counted]] = {}
        self.sizes: dict[str, int] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.sessions: dict[str, Session] = {}
        self.storage: str = ""
        """Where blob GETs are redirected to, "" for nowhere."""
        self.locate: Callable[[str], str] = lambda path: path
        """From a session's path and query to the Location that is given."""
        self.pages: dict[str, Callable[[bytes], Answer]] = {}
        """What it has beside the specification, by path: from a request's body to the answer."""
        self.moved: Callable[[int], None] = lambda size: None
        """Told of each block of a body, that came or is about to go."""
        self.address = ""
        self._faults: list[tuple[str, Callable[[Seen], bool], Fault]] = []
        self._tokens: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.RLock()
        self._count = 0

    # What the test says and asks

    def on(self, kind: str, fault: Fault, *, when: Callable[[Seen], bool] = lambda seen: True) -> None:
        """The next `fault.times` requests of `kind` (see `Seen.kind`) meet `fault`; faults queue up."""
        self._faults += [(kind, when, fault)] * fault.times

    def kinds(self, *kinds: str) -> list[str]:
        """The requests in order, as `Seen.kind`; only those of `kinds`, if any are named."""
        return [seen.kind for seen in self.seen if not kinds or seen.kind in kinds]

    def received(self, repository: str) -> int:
        """Bytes of bodies that came for uploads."""
        return sum(seen.size for seen in self.seen if f"/v2/{repository}/blobs/uploads/" in seen.path)

    def add_blob(self, repository: str, data: bytes | Counted) -> str:
        digest = data.digest if isinstance(data, Counted) else "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs.setdefault(repository, {})[digest] = data
        self.sizes[digest] = len(data)
        return digest

    def add_manifest(self, repository: str, data: bytes, media_type: str, tag: str | None = None) -> str:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.manifests.setdefault(repository, {})[digest] = (media_type, data)
        if tag is not None:
            self.tags.setdefault(repository, {})[tag] = digest
        return digest

    @contextmanager
    def running(self) -> Iterator["FakeRegistry"]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        stop = threading.Event()
        threads: list[threading.Thread] = []
        open_: list[Connection] = []

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_.append(Connection(self, connection, stop))
                thread = threading.Thread(target=open_[-1].run, daemon=True)
                threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield self
        finally:
            stop.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for connection in open_:
                connection.shut()
            for thread in [acceptor, *threads]:
                thread.join(5)
            for connection in open_:
                connection.close()

    # What connections ask

    def meet(self, seen: Seen) -> Fault | None:
        with self._lock:
            self.seen.append(seen)
            for number, (kind, when, fault) in enumerate(self._faults):
                if kind == seen.kind and when(seen):
                    del self._faults[number]
                    return fault
        return None

    def number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def token(self, query: str) -> bytes:
        scopes = frozenset(scope for scope in parse_qs(query).get("scope", []))
        text = f"token-{self.number()}"
        self._tokens[text] = (self.clock() + self.life, scopes)
        return json.dumps({"token": text, "expires_in": self.life}).encode()

    def refuses(self, seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        """The 401 that a request gets, if it has no right."""
        if not self.auth or seen.path.endswith("/token") or seen.path in self.pages:
            return None
        sent = seen.headers.get("authorization", "")
        if self.auth == "basic":
            if sent == "Basic dXNlcjpvcGVuIHNlc2FtZQ==":
                return None
            return 401, {"WWW-Authenticate": 'Basic realm="fake"'}, error("UNAUTHORIZED")
        repository = seen.repository
        action = "pull" if seen.method in ("GET", "HEAD") else "push"
        ends, scopes = self._tokens.get(sent.removeprefix("Bearer "), (0.0, frozenset()))
        for scope in scopes if ends + self.leeway > self.clock() else ():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            if kind == "repository" and name == repository and action in actions.split(","):
                return None
        wanted = f"repository:{repository}:{'pull' if action == 'pull' else 'pull,push'}"
        why = ',error="insufficient_scope"' if scopes else ""
        header = f'Bearer realm="http://{self.address}/token",service="fake",scope="{wanted}"{why}'
        return 401, {"WWW-Authenticate": header}, error("UNAUTHORIZED")
