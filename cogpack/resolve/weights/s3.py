"""`s3://BUCKET/PREFIX` is read from Amazon S3, or whatever AWS_ENDPOINT_URL_S3 names.

Requests are signed in their headers and go to one host: no redirect is followed, no address holds a secret.
"""

import base64
import binascii
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from urllib.parse import quote, urlencode

from cogpack.config import WeightSource
from cogpack.digest import Digest
from cogpack.errors import CogpackError, InputError
from cogpack.http import Http, Response, Stream
from cogpack.remote import RemoteFile
from cogpack.resolve.clouds import AwsIdentity
from cogpack.resolve.weights.listing import MAX_DIGITS, FoundFile, ListedObject, below, choose
from cogpack.resolve.weights.refusals import refused
from cogpack.resolve.weights.s3_listing import MAX_KEYS, parse_page

_URI = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,254})(?:/(.*))?", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""A bucket whose name can be part of a host's that the certificate is for."""
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z0-9]+){2,4}")
_ETAG = re.compile(r'"[!#-~]{1,254}"')
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_EXPIRED = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
"""About credentials, but said with 400."""

_ASKED = 16
"""Objects asked about at a time."""


class S3:
    """Asks object stores. The revision of an object is its version where the bucket keeps versions that we may read,
    else its ETag."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        self._http = http
        self._environment = environment
        self._lock = threading.Lock()
        self._aws: AwsIdentity | None = None
        self._buckets: dict[str, _Bucket] = {}

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        name, key = _parse(source.uri)
        bucket = self._bucket(name)
        folder = not key or key.endswith("/")
        if not folder and bucket.head(key) is None:
            folder, key = True, f"{key}/"
        if folder:
            listed = choose(source, bucket.files(key))
        else:
            listed = choose(source, [FoundFile(path=key.rpartition("/")[2], file=key, size=0)])
        with ThreadPoolExecutor(_ASKED, thread_name_prefix="s3") as pool:
            return list(pool.map(lambda file: bucket.pinned(file, kept.get(file.file)), listed))

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        bucket = self._bucket(_parse(uri)[0])
        return RemoteFile(self._http, f"s3://{bucket.name}/{quote(file)}", size, partial(bucket.get, file, revision))

    def _bucket(self, name: str) -> "_Bucket":
        with self._lock:
            if name not in self._buckets:
                self._aws = self._aws or AwsIdentity()
                self._buckets[name] = _bucket(self._http, self._aws, self._environment, name)
            return self._buckets[name]


def _parse(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        raise InputError(f"{uri}: expected s3://BUCKET/PREFIX", next_step="correct the uri")
    return match[1], match[2] or ""


def _bucket(http: Http, aws: AwsIdentity, environment: Mapping[str, str], name: str) -> "_Bucket":
    region = environment.get("AWS_REGION") or aws.region or "us-east-1"
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or aws.endpoint
    if endpoint:
        return _Bucket(http, aws, name, region, f"{endpoint.rstrip('/')}/{name}")
    # Any region of a partition knows where each of its buckets lies, and tells whoever asks.
    url = f"https://{_host(region)}/{name}"
    found = http.request("HEAD", url, origin=url)
    if found.status == 404:
        raise InputError(f"s3://{name}: there is no such bucket", next_step="correct the uri")
    told = found.headers.get("x-amz-bucket-region", "")
    region = told if _REGION.fullmatch(told) else region
    host = _host(region)
    return _Bucket(
        http, aws, name, region, f"https://{name}.{host}" if _LABEL.fullmatch(name) else f"https://{host}/{name}"
    )


def _host(region: str) -> str:
    return f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


class _Bucket:
    """Asks one bucket. `base`: its address, without a slash at the end."""

    def __init__(self, http: Http, aws: AwsIdentity, name: str, region: str, base: str) -> None:
        self._http = http
        self._aws = aws
        self._region = region
        self._base = base
        self.name = name

    def files(self, prefix: str) -> Iterator[FoundFile]:
        """List by ListObjectsV2, all pages."""

        def read(token: str) -> tuple[list[ListedObject], str]:
            query = {"list-type": "2", "prefix": prefix, "max-keys": str(MAX_KEYS), "encoding-type": "url"}
            answer = self._request("GET", "", query | ({"continuation-token": token} if token else {}))
            if answer.status != 200:
                raise self._refused(prefix, answer.status, answer.body, pinned=False)
            try:
                return parse_page(answer.body)
            except ValueError as error:
                raise InputError(
                    f"s3://{self.name}: what was sent is no listing of a bucket: {error}",
                    next_step="check AWS_ENDPOINT_URL_S3",
                ) from error

        return below(f"s3://{self.name}/{prefix}", prefix, read)

    def head(self, key: str, version: str | None = None) -> Response | None:
        """Ask by HeadObject; None if there is no such object, or no such version that we may read."""
        query = {"versionId": version} if version else {}
        answer = self._request("HEAD", key, query, {"x-amz-checksum-mode": "ENABLED"})
        if answer.status == 200:
            return answer
        if answer.status == 404 or version:
            return None
        raise self._refused(key, answer.status, b"", pinned=False)

    def pinned(self, file: FoundFile, kept: str | None) -> FoundFile:
        """Give `file` as it will be read: of the version `kept`, if it is one and still there, else the newest."""
        version = kept if kept and not _ETAG.fullmatch(kept) else None
        answer = self.head(file.file, version) if version else None
        if answer is None:
            answer = self.head(file.file)
            if answer is None:
                raise self._refused(file.file, 404, b"", pinned=True)
            version = answer.headers.get("x-amz-version-id")
            # To read a version is a right of its own, which those who may read can lack.
            if version == "null" or (version and self.head(file.file, version) is None):
                version = None
        size, etag = answer.headers.get("content-length", ""), answer.headers.get("etag", "")
        if not size.isdecimal() or len(size) > MAX_DIGITS:
            raise InputError(f"s3://{self.name}/{file.file}: the server tells no size", next_step="exclude it")
        return FoundFile(
            path=file.path,
            file=file.file,
            size=int(size),
            revision=version or (etag if _ETAG.fullmatch(etag) else None),
            sha256=_sha256(answer.headers),
        )

    @contextmanager
    def get(self, key: str, revision: str | None, headers: Mapping[str, str]) -> Iterator[Stream]:
        """Open just that revision by GetObject (`cogpack.remote.Ask`)."""
        sent, query = dict(headers), {}
        if revision and _ETAG.fullmatch(revision):
            sent["If-Match"] = revision
        elif revision:
            query["versionId"] = revision
        url = self._url(key, query)
        signed = self._aws.signed("GET", url, sent, region=self._region)
        with self._http.open("GET", url, origin=url, headers=signed) as stream:
            if stream.status not in (200, 206):
                body = stream.body()
                raise self._refused(key, stream.status, body, pinned=revision is not None)
            yield stream

    def _url(self, key: str, query: Mapping[str, str]) -> str:
        return f"{self._base}/{quote(key)}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def _request(self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str] = {}) -> Response:
        url = self._url(key, query)
        signed = self._aws.signed(method, url, headers, region=self._region)
        return self._http.request(method, url, origin=url, headers=signed)

    def _refused(self, key: str, status: int, body: bytes, *, pinned: bool) -> CogpackError:
        match = _CODE.search(body[:65536])
        code = match[1].decode() if match else ""
        where = f"s3://{self.name}/{key}: {code or status}"
        if code == "InvalidObjectState":
            return InputError(f"{where}: it is archived", next_step="restore it, or copy it to another storage class")
        advice = "let this machine's identity list and read it (s3:ListBucket, s3:GetObject)"
        if self._aws.anonymous:
            advice = "this machine has no AWS identity; give it one, as by aws configure or aws sso login"
        return refused(where, status, pinned=pinned, denied=code in _EXPIRED, advice=advice)


def _sha256(headers: Mapping[str, str]) -> Digest | None:
    """Give the whole object's, where it was sent with one; that of an upload in parts is a digest of digests."""
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    try:
        value = base64.b64decode(headers.get("x-amz-checksum-sha256", ""), validate=True)
    except binascii.Error:
        return None
    return Digest(f"sha256:{value.hex()}") if len(value) == 32 else None
