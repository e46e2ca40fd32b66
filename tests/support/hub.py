"""A server on loopback that answers as Hugging Face's hub does: model info, and files by redirect to another host."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from support.fake_http import Answer, Fake, Request, serving

LARGE = 1000
"""Bytes from which a file is in git-lfs, so that the hub knows its sha256."""


@dataclass
class Hub:
    """One repository, `owner/name`, a model and a dataset. `served`: bytes of each file that were sent."""

    files: dict[str, bytes]
    revision: str = "a" * 40
    token: str | None = None
    endpoint: str = ""
    storage: Fake | None = None
    served: dict[str, int] = field(default_factory=dict)
    sibling: Callable[[str, bytes], dict[str, object]] = field(default=lambda name, data: sibling(name, data))

    def answer(self, request: Request) -> Answer:
        path = unquote(urlsplit(request.path).path)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if path.startswith(("/api/models/owner/name", "/api/datasets/owner/name")):
            revision = path.partition("/revision/")[2] or path.partition("/tree/")[2]
            if revision not in ("", "main", self.revision):
                return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
            if "/tree/" in path:
                return 200, {"Content-Type": "application/json"}, json.dumps(self.tree()).encode()
            siblings = [self.sibling(name, data) for name, data in self.files.items()]
            document = {"id": "owner/name", "modelId": "owner/name", "sha": self.revision, "siblings": siblings}
            return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()
        path = path.removeprefix("/datasets")
        prefix = f"/owner/name/resolve/{self.revision}/"
        if path.startswith(prefix) and (name := path.removeprefix(prefix)) in self.files:
            assert self.storage is not None
            entry = sibling(name, self.files[name])
            lfs = entry.get("lfs")
            headers = {
                "Location": f"{self.storage.url}/{name}?signature=s3cret",
                "X-Repo-Commit": self.revision,
                "X-Linked-Size": str(entry["size"]),
                "X-Linked-Etag": f'"{lfs["sha256"] if isinstance(lfs, dict) else entry["blobId"]}"',
            }
            return 302, headers, b""
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def tree(self) -> list[dict[str, object]]:
        """The files as the hub lists them for its library's own downloads."""
        found = []
        for name, data in self.files.items():
            entry = sibling(name, data)
            lfs = entry.get("lfs")
            large = {"lfs": {**lfs, "oid": lfs["sha256"]}} if isinstance(lfs, dict) else {}
            found.append({"type": "file", "path": name, "size": len(data), "oid": entry["blobId"], **large})
        return found

    def file(self, request: Request) -> Answer:
        name = unquote(urlsplit(request.path).path).removeprefix("/")
        assert "authorization" not in request.headers, "a token went to another host"
        data = self.files[name]
        status, headers = 200, {}
        if wanted := request.headers.get("range"):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
            status, data = 206, data[first : last + 1]
        self.served[name] = self.served.get(name, 0) + (len(data) if request.method == "GET" else 0)
        return status, headers, data


def sibling(name: str, data: bytes) -> dict[str, object]:
    """How the hub describes a file."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    found: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob}
    if len(data) >= LARGE:
        found["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 130}
    return found


@contextmanager
def hub(files: dict[str, bytes], *, token: str | None = None) -> Iterator[Hub]:
    made = Hub(files, token=token)
    with serving(made.file) as storage, serving(made.answer) as front:
        made.storage = storage
        made.endpoint = front.url
        yield made
