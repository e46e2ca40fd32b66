"""The endpoints (distribution-spec v1.1, "API"): paths and methods to storage, uploads and answers."""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit

from cogpack.digest import Digest, parse_digest
from cogpack.errors import InputError
from cogpack.oci import MANIFEST_LIMIT, encode
from cogpack.registry.server.exchange import Exchange
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.ranges import Unsatisfiable, chunk_range, received_range, requested_range
from cogpack.registry.server.storage import Storage, repository_name, tag_name
from cogpack.registry.server.uploads import Upload, Uploads

_NUMBER = re.compile(r"[0-9]{1,9}")


class Api(Exchange):
    storage: Storage
    uploads: Uploads

    def respond(self) -> None:
        try:
            parts = urlsplit(self.path)
        except ValueError:
            raise Refusal(400, "UNSUPPORTED", f"{self.path:.300} is no address") from None
        path = unquote(parts.path)
        for route, methods in _ROUTES:
            if found := route.fullmatch(path):
                endpoint = methods.get(self.command)
                if endpoint is None:
                    raise Refusal(
                        405, "UNSUPPORTED", f"{self.command} {path:.300}", headers={"Allow": ", ".join(methods)}
                    )
                self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                name, *rest = found.groups()
                endpoint(self, repository_name(name), *rest)
                return
        if path.rstrip("/") == "/v2" and self.command in ("GET", "HEAD"):
            self.answer(200, b"{}", {"Content-Type": "application/json"})
            return
        raise Refusal(404, "UNSUPPORTED", f"{self.command} {path:.300}: no such endpoint")

    # Blobs

    def get_blob(self, repository: str, text: str) -> None:
        digest = _digest(text)
        path = self.storage.blob(repository, digest)
        if path is None:
            raise Refusal(404, "BLOB_UNKNOWN", f"{repository} has no blob {digest}")
        size = path.stat().st_size
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "ETag": f'"{digest}"',
            "Accept-Ranges": "bytes",
        }
        try:
            part = requested_range(self.headers.get("Range"), size)
        except Unsatisfiable:
            raise Refusal(
                416, "SIZE_INVALID", f"{digest} has {size} bytes", headers={"Content-Range": f"bytes */{size}"}
            ) from None
        if part is None:
            self.answer_file(200, path, 0, size, headers)
        else:
            start, end = part
            self.answer_file(206, path, start, end, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})

    # Uploads

    def begin_upload(self, repository: str) -> None:
        mounted, source = self.query.get("mount"), self.query.get("from")
        if mounted and source and self.storage.mount(repository_name(source), repository, _digest(mounted)):
            self._created(repository, _digest(mounted))
            return
        digest = _digest(self.query["digest"]) if "digest" in self.query else None
        upload = self.uploads.begin(repository)
        if digest is None:
            self._progress(202, upload)
        else:
            self._finish(upload, digest)

    def append_to_upload(self, repository: str, identity: str) -> None:
        upload = self.uploads.find(repository, identity)
        with upload.alone():
            self._check_order(upload)
            upload.append(self.body.pieces())
        self._progress(202, upload)

    def finish_upload(self, repository: str, identity: str) -> None:
        upload = self.uploads.find(repository, identity)
        self._finish(upload, _digest(self.query.get("digest", "")))

    def show_upload(self, repository: str, identity: str) -> None:
        self._progress(204, self.uploads.find(repository, identity))

    def cancel_upload(self, repository: str, identity: str) -> None:
        upload = self.uploads.find(repository, identity)
        with upload.alone():
            self.uploads.end(upload)
        self.answer(204)

    def _finish(self, upload: Upload, digest: Digest) -> None:
        with upload.alone():
            self._check_order(upload)
            upload.append(self.body.pieces())
            try:
                upload.commit(digest)
                self.storage.record_blob(upload.repository, digest)
            finally:
                self.uploads.end(upload)
        self._created(upload.repository, digest)

    def _check_order(self, upload: Upload) -> None:
        header = self.headers.get("Content-Range")
        if header is None:
            return
        found = chunk_range(header)
        if found is None or found[0] != upload.size:
            raise Refusal(
                416,
                "BLOB_UPLOAD_INVALID",
                f"content range {header!r:.100}; {upload.size} bytes are here",
                headers=_progress_headers(upload),
            )
        if self.body.length is not None and self.body.length != found[1] - found[0]:
            raise Refusal(400, "SIZE_INVALID", f"content range {header} with {self.body.length} bytes")

    def _progress(self, status: int, upload: Upload) -> None:
        self.answer(status, headers=_progress_headers(upload))

    def _created(self, repository: str, digest: Digest) -> None:
        self.answer(201, headers={"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})

    # Manifests and tags

    def get_manifest(self, repository: str, text: str) -> None:
        reference = _reference(text)
        found = self.storage.manifest(repository, reference)
        if found is None:
            raise Refusal(404, "MANIFEST_UNKNOWN", f"{repository} has no manifest {reference}")
        descriptor, path = found
        headers = {
            "Content-Type": descriptor.media_type,
            "Docker-Content-Digest": descriptor.digest,
            "ETag": f'"{descriptor.digest}"',
        }
        self.answer_file(200, path, 0, descriptor.size, headers)

    def put_manifest(self, repository: str, text: str) -> None:
        reference = _reference(text)
        media_type = self.headers.get("Content-Type", "").partition(";")[0].strip()
        data = self.body.read(MANIFEST_LIMIT)
        digest = self.storage.put_manifest(repository, reference, media_type, data)
        location = f"/v2/{repository}/manifests/{digest}"
        self.answer(201, headers={"Location": location, "Docker-Content-Digest": digest})

    def list_tags(self, repository: str) -> None:
        if not self.storage.has_repository(repository):
            raise Refusal(404, "NAME_UNKNOWN", f"no repository {repository}")
        last = self.query.get("last", "")
        tags = [tag for tag in sorted(self.storage.tags(repository)) if tag > last]
        headers = {"Content-Type": "application/json"}
        if "n" in self.query:
            if not _NUMBER.fullmatch(self.query["n"]):
                raise Refusal(400, "PAGINATION_NUMBER_INVALID", f"n={self.query['n']!r:.100}")
            count = int(self.query["n"])
            if 0 < count < len(tags):
                after = f"/v2/{repository}/tags/list?n={count}&last={quote(tags[count - 1])}"
                headers["Link"] = f'<{after}>; rel="next"'
            tags = tags[:count]
        self.answer(200, encode({"name": repository, "tags": tags}), headers)


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text, where="digest")
    except InputError as error:
        raise Refusal(400, "DIGEST_INVALID", error.message) from None


def _reference(text: str) -> str | Digest:
    return _digest(text) if ":" in text else tag_name(text)


def _progress_headers(upload: Upload) -> dict[str, str]:
    return {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": received_range(upload.size),
        "Docker-Upload-UUID": upload.id,
    }


Endpoint: TypeAlias = Callable[..., None]

_ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, Endpoint]], ...] = (
    (re.compile(r"/v2/(.+)/blobs/uploads/?"), {"POST": Api.begin_upload}),
    (
        re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)"),
        {
            "GET": Api.show_upload,
            "PATCH": Api.append_to_upload,
            "PUT": Api.finish_upload,
            "DELETE": Api.cancel_upload,
        },
    ),
    (re.compile(r"/v2/(.+)/blobs/([^/]+)"), {"GET": Api.get_blob, "HEAD": Api.get_blob}),
    (
        re.compile(r"/v2/(.+)/manifests/([^/]+)"),
        {"GET": Api.get_manifest, "HEAD": Api.get_manifest, "PUT": Api.put_manifest},
    ),
    (re.compile(r"/v2/(.+)/tags/list"), {"GET": Api.list_tags}),
)
