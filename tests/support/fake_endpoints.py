"""What the fake registry does with a request that no fault met: distribution-spec, as its personality takes it."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from support.counted import Counted
from support.faults import Seen
from support.personalities import error

if TYPE_CHECKING:
    from support.fake_registry import FakeRegistry

Answer = tuple[int, dict[str, str], bytes | Counted]
"""Status, headers and body."""


@dataclass
class Session:
    repository: str
    hasher: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    state: int = 0
    chunk: int | None = None
    last: bool = False


class Endpoints:
    """`body`: the blocks of the request at hand, cut where a fault cuts them."""

    def __init__(self, registry: "FakeRegistry", body: Callable[[], Iterator[bytes]]) -> None:
        self._registry = registry
        self._manners = registry.personality
        self._body = body

    def handle(self, seen: Seen) -> Answer:
        if seen.path.endswith("/token"):
            return 200, {"Content-Type": "application/json"}, self._registry.token(seen.query)
        if page := self._registry.pages.get(seen.path):
            return page(b"".join(self._body()))
        if seen.path in ("/v2", "/v2/"):
            return 200, {}, b"{}"
        repository = seen.repository
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

    def _blob(self, seen: Seen, repository: str, digest: str) -> Answer:
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

    def _manifest(self, seen: Seen, repository: str, ref: str) -> Answer:
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

    def _upload(self, seen: Seen, repository: str, name: str) -> Answer:
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

    def _refused(self, seen: Seen, session: Session) -> Answer | None:
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

    def _take(self, seen: Seen, name: str, session: Session, digest: str | None) -> Answer:
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
        if name not in registry.sessions:  # cancelled meanwhile
            return 404, {}, error("BLOB_UPLOAD_UNKNOWN")
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
