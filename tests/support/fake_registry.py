"""A registry on raw sockets whose manners and misfortunes are chosen by the test.

Real registries differ in what they say (`Personality`) and break below what HTTP libraries can show (`Fault`): a cut in
the middle of a body, an answer to a request that is still being sent, a server that stops reading. Blobs are kept in
memory, or only hashed with `keep=False`, or made when they are asked for (`Counted`), so that large ones cost nothing.

The personalities are readings of documents and reports (their `source`), not of the hosted registries themselves.
"""

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from support.counted import Counted

KiB = 1024
MiB = 1024 * KiB


def error(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@dataclass(frozen=True)
class Personality:
    """How one kind of registry behaves. The defaults are distribution 3.x.

    `cut`: what a broken PATCH leaves: "keeps" its bytes, or the session is "gone". `content_range`: "checked",
    "ignored" or "refused". `range`: of a PATCH's answer, for so many bytes; `status_range`: of a status GET's.
    `largest`: bytes of a body by method, with the answer to more. `minimum`, `maximum`: OCI-Chunk-*-Length.
    """

    name: str
    source: str = ""
    cut: str = "keeps"
    content_range: str = "checked"
    fresh_range: str | None = "0-0"
    range: Callable[[int], str | None] = lambda size: f"0-{size - 1}" if size else "0-0"
    status_range: Callable[[int], str | None] = lambda size: f"0-{size - 1}" if size else "0-0"
    status_location: bool = True
    stale_location: int = 0
    """Status of an answer to a Location that is not the newest; 0 takes it."""
    patch_status: int = 202
    largest: Mapping[str, tuple[int, int, bytes]] = field(default_factory=dict)
    largest_ranged: tuple[int, int, bytes] | None = None
    minimum: int | None = None
    maximum: int | None = None
    equal_chunks: bool = False
    needs_length: bool = False
    mount: str = "yes"
    referrers: bool = False
    ranges: bool = True
    immutable: bool = False
    manifest_limit: int = 4 * MiB


_HTML_413 = b"<html><h1>413 Request Entity Too Large</h1></html>"

DIST28 = Personality(
    "dist28", "measured: a cut PATCH ends its session, Content-Range is not looked at",
    cut="gone", content_range="ignored", stale_location=404,
)  # fmt: skip
DIST3 = Personality("dist3", "distribution v3.1.1, registry/handlers/blobupload.go")
ZOT = Personality("zot", "zot pkg/api/routes.go: a broken PATCH deletes its session", cut="gone", referrers=True)
QUAY = Personality(
    "quay", "quay endpoints/v2/blob.py: status and 416 are off by one against PATCH's answer",
    fresh_range="bytes=0--1", status_range=lambda size: f"bytes=0-{size}", status_location=False, referrers=True,
)  # fmt: skip
GHCR = Personality(
    "ghcr", "wash #268, rust-oci-client #35: chunks above 4 MiB are refused",
    largest_ranged=(4 * MiB, 416, b"request body is too large, limit is 4.00MiB"), cut="gone",
)  # fmt: skip
GAR = Personality("gar", "kitops #777: no chunked uploads", content_range="refused", cut="gone")
ECR = Personality(
    "ecr", "regclient #81: 201 to PATCH; containers-roadmap #2831: Range does not move",
    patch_status=201, range=lambda size: "0-99", status_range=lambda size: "0-99",
)  # fmt: skip
ACR = Personality(
    "acr", "harbor #23015: large PUTs are refused; harbor #21640: Content-Range is `a-b`",
    largest={"PUT": (20 * MiB, 413, error("SIZE_INVALID", "blob is too large"))}, needs_length=False,
)  # fmt: skip
CLOUDFLARE = Personality(
    "cloudflare", "cloudflare/serverless-registry src/chunk.ts, src/registry/r2.ts",
    minimum=5 * MiB, maximum=100_000_000, equal_chunks=True, needs_length=True,
    largest={"PUT": (100_000_000, 413, _HTML_413), "PATCH": (100_000_000, 413, _HTML_413)},
)  # fmt: skip
GITEA = Personality(
    "gitea", "gitea #34724: no Range while a session is empty", fresh_range=None,
    status_range=lambda size: f"0-{size - 1}" if size else None,
)  # fmt: skip
HARBOR = Personality("harbor", "harbor #17097: 401 for a mount from a project that is not there", mount="401")
NGINX = Personality(
    "nginx", "nginx client_max_body_size",
    largest=dict.fromkeys(("PUT", "PATCH"), (1 * MiB, 413, _HTML_413)),
)  # fmt: skip

ALL = (DIST28, DIST3, ZOT, QUAY, GHCR, GAR, ECR, ACR, CLOUDFLARE, GITEA, HARBOR, NGINX)


@dataclass(frozen=True)
class Fault:
    """What happens instead of, or to, one request.

    `after`: bytes of the request's body that are read first (for a GET: bytes of the answer's body that are sent).
    `how`: "reset" breaks the connection; "answer" sends `status`, `headers`, `body` then and there, and the rest of the
    request is read ("drain"), not read while the connection stays ("stall") or the connection closed ("close");
    "lost" does the work and cuts before its answer; "late" does the work and answers this; "stall" stops without a
    word; "slow" goes on at `rate` bytes a second; "cut" closes the connection after `after` bytes of an
    answer, all of which arrive; "chunked" answers as usual, in that transfer coding; "drip" reads the request and
    answers with a header block that has no end, a byte now and then, for five seconds. A header that is "" is left
    out.
    """

    how: str
    after: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    then: str = "drain"
    rate: int = 1
    times: int = 1


def reset(after: int = 0, times: int = 1) -> Fault:
    return Fault("reset", after=after, times=times)


def answer(
    status: int, body: bytes = b"", *, after: int = 0, then: str = "drain", times: int = 1, **headers: str
) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("answer", after, status, named, body, then, times=times)


def late(status: int, body: bytes = b"", times: int = 1) -> Fault:
    return Fault("late", status=status, body=body, times=times)


@dataclass
class Seen:
    """One request. `size`: bytes of its body that were read; `status`: of the answer, 0 for none."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    size: int = 0
    status: int = 0

    @property
    def kind(self) -> str:
        """`POST session`, `PATCH session`, `HEAD blob`, `PUT manifest`, `GET token`, ..."""
        part = self.path.split("/")
        if "uploads" in part:
            return f"{self.method} session"
        for name in ("blobs", "manifests", "tags", "referrers"):
            if name in part:
                return f"{self.method} {name.removesuffix('s')}"
        return f"{self.method} {part[-1] or 'ping'}"


@dataclass
class Session:
    repository: str
    hasher: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    state: int = 0
    chunk: int | None = None
    last: bool = False


class _Gone(Exception):
    """The connection is to be closed at once."""


class _Cut(Exception):
    """The connection is to be reset, once whoever was reading has put things in order."""


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
        open_: list[socket.socket] = []

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_.append(connection)
                thread = threading.Thread(target=_Connection(self, connection, stop).run, daemon=True)
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
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in [acceptor, *threads]:
                thread.join(5)

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
        if not self.auth or seen.path.endswith("/token"):
            return None
        sent = seen.headers.get("authorization", "")
        if self.auth == "basic":
            if sent == "Basic dXNlcjpvcGVuIHNlc2FtZQ==":
                return None
            return 401, {"WWW-Authenticate": 'Basic realm="fake"'}, error("UNAUTHORIZED")
        repository = _repository(seen.path)
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


def _repository(path: str) -> str:
    found = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags|referrers)(?:/|$)", path)
    return found[1] if found else ""


class _Connection:
    def __init__(self, registry: FakeRegistry, connection: socket.socket, stop: threading.Event) -> None:
        self._registry = registry
        self._manners = registry.personality
        self._socket = connection
        self._stop = stop
        self._file = connection.makefile("rb", buffering=64 * KiB)
        self._seen: Seen | None = None
        self._fault: Fault | None = None
        self._lost = False
        self._unread = 0

    def run(self) -> None:
        with suppress(_Gone, OSError, ValueError):
            while self._one():
                pass
        with suppress(OSError):
            self._file.close()
            self._socket.close()

    def _one(self) -> bool:
        line = self._file.readline(64 * KiB).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers: dict[str, str] = {}
        while (header := self._file.readline(64 * KiB).decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = line[1].partition("?")
        seen = self._seen = Seen(line[0], path, query, headers)
        fault = self._fault = self._registry.meet(seen)
        if fault and fault.how == "answer":
            self._read(fault.after)
            self._answer(fault.status, dict(fault.headers), fault.body)
            if fault.then == "close":
                raise _Gone
            if fault.then == "stall":
                self._stop.wait(60)
                raise _Gone
            for _ in self._blocks():
                pass
            return True
        if fault and fault.how == "drip":
            for _ in self._body():
                pass
            self._drip()
        if refusal := self._registry.refuses(seen):
            for _ in self._blocks():
                pass
            self._answer(*refusal)
            return True
        try:
            status, answer_headers, body = self._handle(seen)
            for _ in self._body():  # what the handler did not want
                pass
        except _Cut:
            self._reset()
        if fault and fault.how == "lost":
            self._reset()
        if fault and fault.how == "late":
            status, answer_headers, body = fault.status, dict(fault.headers), fault.body
        self._answer(status, answer_headers, body)
        return True

    # Reading a body

    def _read(self, size: int) -> None:
        for block in self._blocks():
            assert self._seen
            self._seen.size += len(block)
            size -= len(block)
            if size <= 0:
                return

    def _body(self) -> Iterator[bytes]:
        """The body, cut or held up where the fault says."""
        fault = self._fault
        assert self._seen
        for block in self._blocks():
            if fault and fault.how in ("reset", "stall", "slow") and self._seen.size + len(block) > fault.after:
                if fault.how == "slow":
                    self._stop.wait(len(block) / fault.rate)
                else:
                    kept = block[: max(0, fault.after - self._seen.size)]
                    self._seen.size += len(kept)
                    yield kept
                    if fault.how == "stall":
                        self._stop.wait(60)
                    raise _Cut
            self._seen.size += len(block)
            self._registry.moved(len(block))
            yield block
        if fault and fault.how == "reset" and self._seen.method not in ("GET", "HEAD"):
            raise _Cut

    def _blocks(self) -> Iterator[bytes]:
        seen = self._seen
        if seen is None or seen.headers.get("x-read"):
            return
        if seen.headers.get("transfer-encoding") == "chunked":
            while size := int(self._file.readline(64), 16):
                while size:
                    block = self._some(min(size, 64 * KiB))
                    size -= len(block)
                    yield block
                self._file.readline(8)
            self._file.readline(8)
        else:
            left = int(seen.headers.get("content-length", "0")) - seen.size
            while left > 0:
                block = self._some(min(left, 64 * KiB))
                left -= len(block)
                yield block
        seen.headers["x-read"] = "whole"

    def _some(self, size: int) -> bytes:
        block = self._file.read1(size)
        if not block:
            raise _Gone
        return block

    def _reset(self) -> None:
        """RST instead of FIN: what a broken line looks like."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._file.close()
        self._socket.close()
        raise _Gone

    # Answering

    def _answer(self, status: int, headers: dict[str, str], body: bytes | Counted = b"") -> None:
        assert self._seen
        self._seen.status = status
        named = {"Content-Length": str(len(body))} | headers
        chunked = self._fault is not None and self._fault.how == "chunked"
        if chunked:
            named |= {"Content-Length": "", "Transfer-Encoding": "chunked"}
            body = b"".join(
                b"%x\r\n%b\r\n" % (len(body[at : at + 64 * KiB]), body[at : at + 64 * KiB])
                for at in range(0, len(body) + 1, 64 * KiB)
                if body[at : at + 64 * KiB]
            ) + b"0\r\n\r\n"  # fmt: skip
        named = {name: value for name, value in named.items() if value}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n"
        self._socket.sendall(head.encode("latin-1"))
        if self._seen.method == "HEAD":
            return
        fault = self._fault
        if self._seen.method == "GET" and fault and fault.how in ("reset", "stall", "slow"):
            self._socket.sendall(body[: fault.after])
            if fault.how == "slow":
                for at in range(fault.after, len(body), fault.rate):
                    self._socket.sendall(body[at : at + fault.rate])
                    if self._stop.wait(1):
                        raise _Gone
                return
            if fault.how == "stall":
                self._stop.wait(60)
            self._reset()
        if self._seen.method == "GET" and fault and fault.how == "cut":
            self._socket.sendall(body[: fault.after])
            raise _Gone
        for block in body if isinstance(body, Counted) else (body,):
            self._registry.moved(len(block))
            self._socket.sendall(block)

    def _drip(self) -> NoReturn:
        self._socket.sendall(b"HTTP/1.1 201 X\r\nX: ")
        for _ in range(100):
            if self._stop.wait(0.05):
                break
            self._socket.sendall(b"x")
        raise _Gone

    def _handle(self, seen: Seen) -> tuple[int, dict[str, str], bytes | Counted]:
        if seen.path.endswith("/token"):
            return 200, {"Content-Type": "application/json"}, self._registry.token(seen.query)
        if seen.path in ("/v2", "/v2/"):
            return 200, {}, b"{}"
        repository = _repository(seen.path)
        rest = seen.path.removeprefix(f"/v2/{repository}/")
        kind, _, name = rest.partition("/")
        if kind == "blobs" and name.startswith("uploads"):
            session = name.removeprefix("uploads").strip("/")
            return self._upload(seen, repository, session)
        if kind == "blobs":
            return self._blob(seen, repository, name)
        if kind == "manifests":
            return self._manifest(seen, repository, name)
        return 404, {"Content-Type": "text/plain"}, b"404 page not found"

    def _blob(self, seen: Seen, repository: str, digest: str) -> tuple[int, dict[str, str], bytes | Counted]:
        data = self._registry.blobs.get(repository, {}).get(digest)
        if data is None:
            return 404, {}, error("BLOB_UNKNOWN")
        size = self._registry.sizes[digest]
        if seen.method == "HEAD":
            return 200, {"Content-Length": str(size), "Docker-Content-Digest": digest}, b""
        if self._registry.storage:
            return 307, {"Location": f"{self._registry.storage}/{digest}?signature=presigned"}, b""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
        if asked is None or not self._manners.ranges:
            return 200, {"Docker-Content-Digest": digest}, data
        start, end = int(asked[1]), int(asked[2] or size - 1)
        if start >= size:
            return 416, {"Content-Length": str(size)}, b"range not satisfiable"
        end = min(end, size - 1)
        return 206, {"Content-Range": f"bytes {start}-{end}/{size}"}, data[start : end + 1]

    def _manifest(self, seen: Seen, repository: str, ref: str) -> tuple[int, dict[str, str], bytes]:
        manifests = self._registry.manifests.setdefault(repository, {})
        tags = self._registry.tags.setdefault(repository, {})
        if seen.method in ("GET", "HEAD"):
            found = manifests.get(tags.get(ref, ref))
            if found is None:
                return 404, {}, error("MANIFEST_UNKNOWN")
            digest = tags.get(ref, ref)
            length = {"Content-Length": str(len(found[1]))}
            return 200, {"Content-Type": found[0], "Docker-Content-Digest": digest} | length, found[1]
        data = b"".join(self._body())
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if len(data) > self._manners.manifest_limit:
            return 400, {}, error("MANIFEST_INVALID")
        if ref.startswith("sha256:") and ref != digest:
            return 400, {}, error("DIGEST_INVALID")
        document = json.loads(data)
        for blob in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]:
            if blob["digest"] not in self._registry.blobs.get(repository, {}):
                return 400, {}, error("MANIFEST_BLOB_UNKNOWN", blob["digest"])
        for child in document.get("manifests", []):
            if child["digest"] not in manifests:
                return 400, {}, error("MANIFEST_BLOB_UNKNOWN", child["digest"])
        if not ref.startswith("sha256:"):
            if self._manners.immutable and tags.get(ref, digest) != digest:
                return 400, {}, error("TAG_INVALID", "the tag cannot be overwritten")
            if self._manners.immutable and ref in tags:
                return 412, {}, error("DENIED", "immutable")
            tags[ref] = digest
        manifests[digest] = (seen.headers.get("content-type", ""), data)
        headers = {"Docker-Content-Digest": digest, "Location": f"/v2/{repository}/manifests/{digest}"}
        if self._manners.referrers and "subject" in document:
            headers["OCI-Subject"] = document["subject"]["digest"]
        return 201, headers, b""

    def _upload(self, seen: Seen, repository: str, name: str) -> tuple[int, dict[str, str], bytes]:
        registry, manners = self._registry, self._manners
        query = dict(parse_qsl(seen.query, keep_blank_values=True))
        if seen.method == "POST":
            if "mount" in query:
                known = registry.blobs.get(query.get("from", ""), {})
                if query["mount"] in known and manners.mount == "yes":
                    registry.blobs.setdefault(repository, {})[query["mount"]] = known[query["mount"]]
                    return 201, {"Location": f"/v2/{repository}/blobs/{query['mount']}"}, b""
                if manners.mount.isdecimal():
                    return int(manners.mount), {}, error("NAME_UNKNOWN")
            identity = f"s{registry.number()}"
            registry.sessions[identity] = Session(repository)
            headers = self._where(identity)
            if manners.fresh_range is not None:
                headers["Range"] = manners.fresh_range
            if manners.minimum is not None:
                headers["OCI-Chunk-Min-Length"] = str(manners.minimum)
            if manners.maximum is not None:
                headers["OCI-Chunk-Max-Length"] = str(manners.maximum)
            return 202, headers, b""
        session = registry.sessions.get(name)
        if session is None or session.repository != repository:
            return 404, {}, error("BLOB_UPLOAD_UNKNOWN")
        if manners.stale_location and query.get("_state") != str(session.state):
            return manners.stale_location, {}, error("BLOB_UPLOAD_INVALID")
        if seen.method == "DELETE":
            del registry.sessions[name]
            return 204, {}, b""
        if seen.method == "GET":
            headers = self._where(name) if manners.status_location else {}
            return 204, headers | self._ranged(manners.status_range(session.size)), b""
        if refusal := self._refused(seen, session):
            return refusal
        return self._take(seen, name, session, query.get("digest"))

    def _refused(self, seen: Seen, session: Session) -> tuple[int, dict[str, str], bytes] | None:
        manners = self._manners
        length = int(seen.headers.get("content-length", "-1"))
        ranged = seen.headers.get("content-range")
        if length < 0 and manners.needs_length:
            return 411, {}, error("SIZE_INVALID")
        limit = manners.largest_ranged if ranged else None
        for bound in (limit, manners.largest.get(seen.method)):
            if bound is not None and length > bound[0]:
                return bound[1], {}, bound[2]
        if ranged and manners.content_range == "refused":
            return 400, {}, error("UNSUPPORTED", "chunked uploads are not supported")
        if ranged and manners.content_range == "checked":
            found = re.fullmatch(r"(\d+)-(\d+)", ranged)
            if found is None or int(found[1]) != session.size or int(found[2]) != session.size + length - 1:
                return 416, self._ranged(manners.status_range(session.size)), error("BLOB_UPLOAD_INVALID")
        if manners.equal_chunks and length > 0:
            if session.last or (session.chunk is not None and length > session.chunk):
                return 400, {}, error("SIZE_INVALID", "chunks must be of one size")
            if session.chunk is not None and length < session.chunk:
                session.last = True
            session.chunk = session.chunk or length
        return None

    def _take(self, seen: Seen, name: str, session: Session, digest: str | None) -> tuple[int, dict[str, str], bytes]:
        registry, manners = self._registry, self._manners
        before = (session.hasher.copy(), session.size)
        try:
            for block in self._body():
                session.hasher.update(block)
                session.size += len(block)
                if registry.keep:
                    session.data += block
        except BaseException:
            if manners.cut == "gone":
                registry.sessions.pop(name, None)
            elif seen.method == "PUT":  # a commit that breaks takes nothing
                session.hasher, session.size = before
                del session.data[session.size :]
            raise
        session.state += 1
        if seen.method == "PATCH":
            return manners.patch_status, self._where(name) | self._ranged(manners.range(session.size)), b""
        found = "sha256:" + session.hasher.hexdigest()
        registry.sessions.pop(name, None)
        if digest != found:
            return 400, {}, error("DIGEST_INVALID", f"{found}, not {digest}")
        with registry._lock:
            registry.blobs.setdefault(session.repository, {})[found] = bytes(session.data)
            registry.sizes[found] = session.size
        return 201, {"Location": f"/v2/{session.repository}/blobs/{found}", "Docker-Content-Digest": found}, b""

    def _where(self, name: str) -> dict[str, str]:
        session = self._registry.sessions[name]
        path = f"/v2/{session.repository}/blobs/uploads/{name}?{urlencode({'_state': session.state})}"
        return {"Location": self._registry.locate(path)}

    @staticmethod
    def _ranged(value: str | None) -> dict[str, str]:
        return {} if value is None else {"Range": value}


def host(url: str) -> str:
    return urlsplit(url).netloc
