"""This module answers for blobs and their uploads: end-2, 4, 5, 6, 10, 11, 13 and 14 of the distribution-spec."""

from cogpack.digest import Digest
from cogpack.registry.server.exchange import Exchange
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.names import digest_name, repository_name
from cogpack.registry.server.ranges import Unsatisfiable, chunk_range, received_range, requested_range
from cogpack.registry.server.storage import Storage
from cogpack.registry.server.uploads import Upload, Uploads


class Blobs(Exchange):
    storage: Storage
    uploads: Uploads

    def get_blob(self, repository: str, text: str) -> None:
        digest = digest_name(text)
        path = self.storage.blob(repository, digest)
        if path is None:
            raise _no_blob(repository, digest)
        size, etag = path.stat().st_size, f'"{digest}"'
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "ETag": etag,
            "Accept-Ranges": "bytes",
        }
        wanted = self.headers.get("Range") if self.headers.get("If-Range", etag) == etag else None
        try:
            part = requested_range(wanted, size)
        except Unsatisfiable:
            raise Refusal(
                416, "SIZE_INVALID", f"{digest} has {size} bytes", headers={"Content-Range": f"bytes */{size}"}
            ) from None
        if part is None:
            self.answer_file(200, path, 0, size, headers)
        else:
            start, end = part
            self.answer_file(206, path, start, end, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})

    def delete_blob(self, repository: str, text: str) -> None:
        digest = digest_name(text)
        if not self.storage.delete_blob(repository, digest):
            raise _no_blob(repository, digest)
        self.answer(202)

    def begin_upload(self, repository: str) -> None:
        mounted, source = self.asked("mount"), self.asked("from")
        if mounted and source and self.storage.mount(repository_name(source), repository, digest_name(mounted)):
            self._created(repository, digest_name(mounted))
            return
        digest = digest_name(self.asked("digest")) if "digest" in self.query else None
        upload = self.uploads.begin(repository)
        if digest is None:
            self._progress(202, upload)
        else:
            self._finish(upload, digest)

    def append_to_upload(self, repository: str, identity: str) -> None:
        upload = self.uploads.find(repository, identity)
        with upload.alone():
            self._append(upload)
        self._progress(202, upload)

    def finish_upload(self, repository: str, identity: str) -> None:
        upload = self.uploads.find(repository, identity)
        self._finish(upload, digest_name(self.asked("digest")))

    def show_upload(self, repository: str, identity: str) -> None:
        self._progress(204, self.uploads.find(repository, identity))

    def cancel_upload(self, repository: str, identity: str) -> None:
        upload = self.uploads.find(repository, identity)
        with upload.alone():
            self.uploads.end(upload)
        self.answer(204)

    def _finish(self, upload: Upload, digest: Digest) -> None:
        with upload.alone():
            self._append(upload)
            try:
                upload.commit(digest)
                self.storage.record_blob(upload.repository, digest)
            finally:
                self.uploads.end(upload)
        self._created(upload.repository, digest)

    def _append(self, upload: Upload) -> None:
        """Add a body to an upload. A `Content-Range` must begin at the end of what is here. A cut body stays, as far as
        it came."""
        header = self.headers.get("Content-Range")
        declared = None
        if header is not None:
            found = chunk_range(header)
            if found is None or found[0] != upload.size:
                raise Refusal(
                    416,
                    "BLOB_UPLOAD_INVALID",
                    f"content range {header!r:.100}; {upload.size} bytes are here",
                    headers=_progress_headers(upload),
                )
            declared = found[1] - found[0]
        if declared is not None and self.body.length not in (None, declared):
            raise _other_size(upload, declared, self.body.length)
        upload.append(self.body.pieces())
        if declared is not None and self.body.received != declared:
            raise _other_size(upload, declared, self.body.received)

    def _progress(self, status: int, upload: Upload) -> None:
        self.answer(status, headers=_progress_headers(upload))

    def _created(self, repository: str, digest: Digest) -> None:
        self.answer(201, headers={"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})


def _no_blob(repository: str, digest: Digest) -> Refusal:
    return Refusal(404, "BLOB_UNKNOWN", f"{repository} has no blob {digest}")


def _other_size(upload: Upload, declared: int, found: int | None) -> Refusal:
    message = f"a content range of {declared} bytes with {found}"
    return Refusal(400, "SIZE_INVALID", message, headers=_progress_headers(upload))


def _progress_headers(upload: Upload) -> dict[str, str]:
    return {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": received_range(upload.size),
        "Docker-Upload-UUID": upload.id,
    }
