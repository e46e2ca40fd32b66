"""A probe finds out what a registry supports by doing it: tiny blobs and manifests of random bytes in one repository.

Nothing that is there is touched: what the probe makes has random digests, and its one tag a random name. It is deleted
where the registry lets that be done; what stays is told.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias

import msgspec

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError
from cogpack.http import Response, host_only
from cogpack.oci import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, encode
from cogpack.registry.profiles import ANY, Profile, Shape
from cogpack.registry.push.requests import as_answer
from cogpack.registry.refusals import codes
from cogpack.registry.repository import Repository
from cogpack.sizes import MiB

_BYTES = "application/octet-stream"
_ARTIFACT = "application/vnd.cogpack.probe"
_PIECE = 1024
_LARGEST = 16 * MiB
"""Bytes of a chunk that the probe is willing to send to a registry that wants them large."""
_SECONDS = 120.0

Ask: TypeAlias = Callable[[], "tuple[bool, str]"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried; `works` is None where it could not be told. `detail`: the registry's words, briefly."""

    what: str
    works: bool | None
    detail: str = ""


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found; `left`: what it made and could not delete."""

    repository: str
    findings: tuple[Finding, ...]
    profile: Profile
    left: tuple[str, ...]

    @property
    def row(self) -> str:
        """Write the profile as it would stand in `cogpack.registry.profiles`."""
        values = [(field, getattr(self.profile, field.name)) for field in msgspec.structs.fields(Profile)]
        lines = [f"    {field.name}={value!r}," for field, value in values if value != field.default]
        return "\n".join(["Profile(", *lines, ")"])


def probe(repository: Repository, anonymous: Repository) -> Probed:
    """Try everything that the profiles of registries differ in; `anonymous`: the same repository without a login.

    Raises `DeniedError` and the like where not even a blob can be pushed.
    """
    return _Probe(repository, anonymous).run()


class _Probe:
    def __init__(self, repository: Repository, anonymous: Repository) -> None:
        self._requests = repository.requests
        self._repository = repository
        self._anonymous = anonymous
        self._name = self._requests.name.partition("/")[2]
        self._location = ""
        self._findings: list[Finding] = []
        self._blobs: list[Digest] = []
        self._manifests: list[Digest] = []
        self._tags: list[str] = []
        self._least = 0
        self._most: int | None = None

    def run(self) -> Probed:
        self._open()  # the right to push, or an error that says what is missing
        self._end_upload()
        try:
            for what, ask in (
                ("put", self._put),
                ("stream", self._stream),
                ("chunks", self._chunks),
                ("chunk order", self._order),
                ("range", partial(self._ranged, "bytes=10-19", 10, 20)),
                ("open range", partial(self._ranged, "bytes=10-", 10, None)),
                ("mount", self._mount),
                ("manifest", self._manifest),
                ("tag parameter", self._tag),
                ("referrers", self._referrers),
                ("anonymous pull", self._pull),
            ):
                self._find(what, ask)
        finally:
            left = self._clean()
        return Probed(
            repository=self._requests.name, findings=tuple(self._findings), profile=self._profile(), left=tuple(left)
        )

    def _find(self, what: str, ask: Ask) -> None:
        try:
            works, detail = ask()
            self._findings.append(Finding(what=what, works=works, detail=detail))
        except _UnknownError as unknown:
            self._findings.append(Finding(what=what, works=None, detail=str(unknown)))
        except CogpackError as error:
            self._findings.append(Finding(what=what, works=False, detail=f"{error.message:.200}"))
        self._end_upload()

    def _end_upload(self) -> None:
        if self._location:
            self._requests.cancel(self._location)
            self._location = ""

    # Uploads

    def _open(self) -> str:
        url = f"{self._requests.base}/blobs/uploads/"
        answer = self._requests.request("POST", url)
        self._requests.expect(answer, "POST", 202, 201, 200, 204)
        self._least, most = _length(answer, "min") or 0, _length(answer, "max")
        self._most = most or self._most
        self._location = self._requests.location(url, answer.headers.get("location", ""))
        return self._location

    def _send(
        self, method: str, url: str, data: bytes, *, digest: Digest | None = None, at: int | None = None
    ) -> Response:
        """Make one request of an upload, never sent twice."""
        headers = {"Content-Type": _BYTES}
        if at is not None:
            headers["Content-Range"] = f"{at}-{at + len(data) - 1}"
        if digest is not None:
            url = f"{url}{'&' if '?' in url else '?'}digest={digest.replace(':', '%3A')}"
        return self._requests.request(method, url, headers, body=data, tries="once")

    def _next(self, answer: Response, url: str) -> str:
        self._location = as_answer(self._requests, "PATCH", answer).location or url
        return self._location

    def _stored(self, answer: Response, data: bytes) -> tuple[bool, str]:
        digest = sha256(data)
        if answer.status not in (200, 201, 202, 204):
            return False, _said(answer)
        there = self._repository.has_blob(Descriptor(media_type=_BYTES, digest=digest, size=len(data)))
        if there:
            self._location = ""
            self._blobs.append(digest)
        return there, "" if there else f"{_said(answer)}, and the blob is not there"

    def _put(self) -> tuple[bool, str]:
        data = secrets.token_bytes(_PIECE)
        return self._stored(self._send("PUT", self._open(), data, digest=sha256(data)), data)

    def _stream(self) -> tuple[bool, str]:
        data, url = secrets.token_bytes(_PIECE), self._open()
        with self._requests.send("PATCH", url, {"Content-Type": _BYTES}, _pieces(data), None, _SECONDS) as stream:
            answer = Response(stream.status, stream.headers, stream.body(), url)
        if answer.status >= 300:
            return False, _said(answer)
        return self._stored(self._send("PUT", self._next(answer, url), b"", digest=sha256(data)), data)

    def _chunks(self) -> tuple[bool, str]:
        url, size = self._open(), max(_PIECE, self._least)
        if size > _LARGEST:
            raise _UnknownError(f"its chunks have {size} bytes or more")
        first, second = secrets.token_bytes(size), secrets.token_bytes(_PIECE)
        answer = self._send("PATCH", url, first, at=0)
        if answer.status >= 300:
            return False, _said(answer)
        told = [f"{answer.status} with Range {answer.headers.get('range', 'absent')}"]
        url = self._next(answer, url)
        status = self._requests.request("GET", url)
        told.append(f"status {status.status} with Range {status.headers.get('range', 'absent')}")
        if status.status < 300:
            url = self._next(status, url)
        answer = self._send("PATCH", url, second, at=size)
        if answer.status >= 300:
            return False, "; ".join([*told, f"second chunk: {_said(answer)}"])
        stored, why = self._stored(
            self._send("PUT", self._next(answer, url), b"", digest=sha256(first + second)), first + second
        )
        limits = [f"OCI-Chunk-Min-Length {self._least}"] if self._least else []
        limits += [f"OCI-Chunk-Max-Length {self._most}"] if self._most else []
        return stored, "; ".join([*told, *limits, *([why] if why else [])])

    def _order(self) -> tuple[bool, str]:
        """Tell whether a chunk is refused that does not begin where the last one ended."""
        url = self._open()
        answer = self._send("PATCH", url, secrets.token_bytes(_PIECE), at=5 * _PIECE)
        if answer.status < 300:
            self._next(answer, url)
        return answer.status == 416, f"a chunk after a gap: {_said(answer)}"

    # Blobs

    def _ranged(self, text: str, start: int, end: int | None) -> tuple[bool, str]:
        digest, data = self._known()
        with self._requests.get(f"{self._requests.base}/blobs/{digest}", {"Range": text}) as stream:
            # The body of a 416 may be announced longer than it is.
            body = stream.body(2 * _PIECE) if stream.status in (200, 206) else b""
            status, content = stream.status, stream.headers.get("content-range", "absent")
            words = f"{status} with Content-Range {content}"
            if not stream.url.startswith(self._requests.base):
                words += ", from where it is stored"
        end = len(data) if end is None else end
        good = status == 206 and body == data[start:end] and content == f"bytes {start}-{end - 1}/{len(data)}"
        return good, words

    def _known(self) -> tuple[Digest, bytes]:
        """Send a blob of known bytes as a push would."""
        data = secrets.token_bytes(_PIECE)
        digest = sha256(data)
        self._repository.upload(
            [data], descriptor=Descriptor(media_type=_BYTES, digest=digest, size=len(data)), finished=lambda: digest
        )
        self._blobs.append(digest)
        return digest, data

    def _mount(self) -> tuple[bool, str]:
        """Mount from the repository itself: another one is not ours to fill."""
        digest, _ = self._known()
        answer = self._repository.mount_or_open(digest, self._name)
        if answer is None:
            return True, "201, from the repository itself"
        self._repository.cancel(answer)
        return False, f"HTTP {answer.status}, from the repository itself"

    # Manifests

    def _make(self, subject: Descriptor | None = None) -> tuple[bytes, Descriptor]:
        config, data = self._known()
        manifest = Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=_ARTIFACT,
            config=Descriptor(media_type=OCI_CONFIG, digest=config, size=len(data)),
            layers=[],
            subject=subject,
        )
        made = encode(manifest)
        return made, Descriptor(media_type=OCI_MANIFEST, digest=sha256(made), size=len(made))

    def _store(self, data: bytes, query: str = "") -> Response:
        digest = sha256(data)
        url = f"{self._requests.base}/manifests/{digest}{query}"
        answer = self._requests.request("PUT", url, {"Content-Type": OCI_MANIFEST}, body=data)
        if answer.status in (200, 201, 202):
            self._manifests.append(digest)
        return answer

    def _manifest(self) -> tuple[bool, str]:
        """Put an artifact of a type that nobody knows, by digest."""
        answer = self._store(self._make()[0])
        return answer.status in (200, 201, 202), _said(answer)

    def _tag(self) -> tuple[bool, str]:
        """Put a tag as distribution-spec main has it: `PUT /manifests/<digest>?tag=`, answered with OCI-Tag."""
        name = f"cogpack-probe-{secrets.token_hex(6)}"
        answer = self._store(self._make()[0], f"?tag={name}")
        if self._repository.manifest(name):
            self._tags.append(name)
        known = name in answer.headers.get("oci-tag", "")
        return known, f"{_said(answer)}, {'' if known else 'no '}OCI-Tag"

    def _referrers(self) -> tuple[bool, str]:
        data, subject = self._make()
        self._requests.expect(self._store(data), "PUT", 200, 201, 202)
        about, artifact = self._make(subject)
        answer = self._store(about)
        self._requests.expect(answer, "PUT", 200, 201, 202)
        url = f"{self._requests.base}/referrers/{subject.digest}"
        listed = self._requests.request("GET", url, {"Accept": OCI_INDEX})
        told = "OCI-Subject" if "oci-subject" in answer.headers else "no OCI-Subject"
        return (
            "oci-subject" in answer.headers and listed.status == 200 and artifact.digest.encode() in listed.body,
            f"{told}; the list: HTTP {listed.status}",
        )

    def _pull(self) -> tuple[bool, str]:
        if not self._manifests:
            raise _UnknownError("no manifest could be put")
        found = self._anonymous.manifest(self._manifests[-1])
        return found is not None, "" if found else "HTTP 404"

    # The end

    def _clean(self) -> list[str]:
        """Delete what was made, newest first; answers what stayed."""
        for tag in self._tags:
            self._delete(f"manifests/{tag}")  # where that is not allowed, it goes with its manifest
        left: list[str] = []
        for kind, made in (("manifest", self._manifests), ("blob", self._blobs)):
            refused = [(digest, said) for digest in reversed(made) if (said := self._delete(f"{kind}s/{digest}"))]
            if made:
                detail = refused[0][1] if refused else f"{len(made)} deleted"
                self._findings.append(Finding(what=f"delete {kind}", works=not refused, detail=detail))
            left += [f"{kind} {digest}" for digest, _ in refused]
        return [f"tag {tag}" for tag in self._tags if self._repository.manifest(tag)] + left

    def _delete(self, path: str) -> str:
        """Delete one thing; answers "" if it is gone, else what the registry said."""
        try:
            answer = self._requests.request(
                "DELETE", f"{self._requests.base}/{path}", scopes=(f"repository:{self._name}:delete",)
            )
        except CogpackError as error:
            return f"{error.message:.200}"
        return "" if answer.status in (200, 202, 204, 404) else _said(answer)

    def _profile(self) -> Profile:
        works = {finding.what: finding.works for finding in self._findings}
        order: tuple[Shape, ...] = ("chunks", "put", "stream") if self._most else ("put", "stream", "chunks")
        name = host_only(self._requests.host)
        return Profile(
            name=name,
            hosts=re.escape(name),
            shapes=tuple(shape for shape in order if works.get(shape)) or ANY.shapes,
            source=f"cogpack registry probe on {time.strftime('%Y-%m-%d', time.gmtime())}, with {_PIECE} bytes",
        )


class _UnknownError(Exception):
    """Something can't be found out, and this says why."""


def _pieces(data: bytes) -> Iterable[bytes]:
    yield data[:100]
    yield data[100:]


def _length(answer: Response, which: str) -> int | None:
    text = answer.headers.get(f"oci-chunk-{which}-length", "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _said(answer: Response) -> str:
    found = codes(answer.body) if answer.status >= 400 else []
    return " ".join([f"HTTP {answer.status}", *(code for code, _ in found[:1])])
