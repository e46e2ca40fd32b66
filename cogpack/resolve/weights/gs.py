"""`gs://BUCKET/PREFIX` is read from Google Cloud Storage by its JSON API."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from cogpack.config import WeightSource
from cogpack.config.steps import has_host
from cogpack.errors import CogpackError, InputError
from cogpack.http import Http, Response, Stream, redacted
from cogpack.oci import decode
from cogpack.remote import RemoteFile
from cogpack.resolve.clouds import GoogleIdentity
from cogpack.resolve.weights.listing import MAX_DIGITS, FoundFile, ListedObject, below, choose
from cogpack.resolve.weights.refusals import refused

_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?", re.DOTALL)
_FIELDS = "name,size,generation"
_PAGE = 1000

_Number = Annotated[str, msgspec.Meta(pattern=rf"\A[0-9]{{1,{MAX_DIGITS}}}\Z")]
"""The API sends 64-bit numbers as text."""


class _Object(msgspec.Struct):
    name: str
    size: _Number
    generation: _Number

    @property
    def listed(self) -> ListedObject:
        return ListedObject(self.name, int(self.size), self.generation)


class _Page(msgspec.Struct, rename="camel"):
    items: Annotated[list[_Object], msgspec.Meta(max_length=_PAGE)] = []
    next_page_token: str = ""


_Answer = TypeVar("_Answer", _Object, _Page)


class Gcs:
    """Asks Google. The revision of an object is its generation; STORAGE_EMULATOR_HOST is sent no credentials."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        self._http = http
        self._lock = threading.Lock()
        self._google: GoogleIdentity | None = None
        emulator = environment.get("STORAGE_EMULATOR_HOST", "")
        self._emulated = bool(emulator)
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        base = (
            emulator or environment.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE") or "https://storage.googleapis.com"
        )
        if not has_host(base):
            raise InputError(
                f"STORAGE_EMULATOR_HOST or CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: no address: {base!r:.200}",
                next_step="write it like https://storage.googleapis.com",
            )
        self._base = f"{base.rstrip('/').removesuffix('/storage/v1')}/storage/v1/b"

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        bucket, name = _parse(source.uri)
        files = None
        if name and not name.endswith("/"):
            found = self._object(bucket, name)
            if found:
                files = [FoundFile(path=name.rpartition("/")[2], file=name, size=found.size, revision=found.revision)]
            else:
                name += "/"
        return [
            self._pinned(bucket, file, kept.get(file.file))
            for file in choose(source, self._files(bucket, name) if files is None else files)
        ]

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        bucket, _ = _parse(uri)
        return RemoteFile(self._http, f"gs://{bucket}/{quote(file)}", size, partial(self._get, bucket, file, revision))

    def _files(self, bucket: str, prefix: str) -> Iterator[FoundFile]:
        def read(token: str) -> tuple[list[ListedObject], str]:
            query = {"prefix": prefix, "maxResults": str(_PAGE), "fields": f"nextPageToken,items({_FIELDS})"}
            answer = self._request(self._url(bucket, None, query | ({"pageToken": token} if token else {})))
            if answer.status != 200:
                raise self._refused(f"gs://{bucket}/{prefix}", answer, pinned=False)
            page = _decoded(answer, _Page, where=self._http.shown(answer.url))
            return [found.listed for found in page.items], page.next_page_token

        return below(f"gs://{bucket}/{prefix}", prefix, read)

    def _object(self, bucket: str, name: str, generation: str | None = None) -> ListedObject | None:
        """Ask what is known of it; None if it is not there."""
        query = {"fields": _FIELDS} | ({"generation": generation} if generation else {})
        answer = self._request(self._url(bucket, name, query))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._refused(f"gs://{bucket}/{name}", answer, pinned=False)
        return _decoded(answer, _Object, where=self._http.shown(answer.url)).listed

    def _pinned(self, bucket: str, file: FoundFile, kept: str | None) -> FoundFile:
        """Give `file` as it will be read: the generation `kept`, where the bucket still has it, else the newest."""
        if kept and kept != file.revision and (old := self._object(bucket, file.file, kept)):
            return msgspec.structs.replace(file, size=old.size, revision=kept)
        return file

    @contextmanager
    def _get(self, bucket: str, name: str, generation: str | None, headers: Mapping[str, str]) -> Iterator[Stream]:
        """Open just that generation (`cogpack.remote.Ask`)."""
        url = self._url(bucket, name, {"alt": "media"} | ({"generation": generation} if generation else {}))
        # What was stored as gzip comes as it is stored: otherwise it is unpacked on the way, and has no ranges.
        sent = self._signed(url, {**headers, "Accept-Encoding": "gzip"})
        with self._http.open("GET", url, origin=url, headers=sent) as stream:
            if stream.status not in (200, 206):
                raise self._refused(f"gs://{bucket}/{name}", stream, pinned=generation is not None)
            yield stream

    def _url(self, bucket: str, name: str | None, query: Mapping[str, str]) -> str:
        place = "" if name is None else f"/{quote(name, safe='')}"
        return f"{self._base}/{bucket}/o{place}?{urlencode(query, quote_via=quote)}"

    def _request(self, url: str) -> Response:
        return self._http.request("GET", url, origin=url, headers=self._signed(url, {}))

    def _signed(self, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        if self._emulated:
            return headers
        with self._lock:
            self._google = self._google or GoogleIdentity()
        parts = urlsplit(url)
        if not self._google.anonymous and parts.scheme != "https" and not self._http.trust.allows_plain(parts.netloc):
            raise InputError(
                f"{redacted(url)}: an access token is not sent in the clear",
                next_step="correct CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE, or use STORAGE_EMULATOR_HOST",
            )
        return self._google.signed("GET", url, headers)

    def _refused(self, where: str, answer: Response | Stream, *, pinned: bool) -> CogpackError:
        advice = "let this machine's identity read it (roles/storage.objectViewer)"
        if self._google is None or self._google.anonymous:
            advice = "this machine has no Google identity; give it one, as by gcloud auth application-default login"
        return refused(f"{where}: {answer.status}", answer.status, pinned=pinned, denied=False, advice=advice)


def _parse(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        raise InputError(f"{uri}: expected gs://BUCKET/PREFIX", next_step="correct the uri")
    return match[1], match[2] or ""


def _decoded(answer: Response, kind: type[_Answer], *, where: str) -> _Answer:
    try:
        return decode(answer.body, kind, where="its answer")
    except InputError as error:
        raise InputError(
            f"{where}: not what Google Cloud Storage answers: {error.message}",
            next_step="check STORAGE_EMULATOR_HOST and CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE",
        ) from error
