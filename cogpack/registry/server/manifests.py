"""This module answers for manifests, tags and referrers: end-3, 7, 8, 9 and 12 of the distribution-spec."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from cogpack.digest import sha256
from cogpack.oci import MANIFEST_LIMIT, OCI_INDEX, Descriptor, Index, encode
from cogpack.registry.server.exchange import Exchange
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.names import digest_name, tag_name, tag_or_digest
from cogpack.registry.server.storage import Storage

_NUMBER = re.compile(r"[0-9]{1,9}")
_TAGS = 100
"""Tags that one request may put."""

_ENVELOPE = 128
"""Bytes of an index beside its manifests, at most."""


class Manifests(Exchange):
    storage: Storage

    def get_manifest(self, repository: str, text: str) -> None:
        reference = tag_or_digest(text)
        found = self.storage.manifest(repository, reference)
        if found is None:
            raise _no_manifest(repository, reference)
        descriptor, path = found
        headers = {
            "Content-Type": descriptor.media_type,
            "Docker-Content-Digest": descriptor.digest,
            "ETag": f'"{descriptor.digest}"',
        }
        self.answer_file(200, path, 0, descriptor.size, headers)

    def put_manifest(self, repository: str, text: str) -> None:
        reference = tag_or_digest(text)
        media_type = self.headers.get("Content-Type", "").partition(";")[0].strip()
        data = self.body.read(MANIFEST_LIMIT)
        digest = sha256(data)
        headers = {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": digest}
        if ":" not in reference:
            tags = [reference]
        elif reference == digest:
            tags = [tag_name(tag) for tag in self.query.get("tag", ())]
            headers |= {"OCI-Tag": ", ".join(tags)} if tags else {}
        else:
            raise Refusal(400, "DIGEST_INVALID", f"the body's digest is {digest}, not {reference}")
        if len(tags) > _TAGS:
            raise Refusal(414, "UNSUPPORTED", f"{len(tags)} tags; {_TAGS} at most in one request")
        document = self.storage.put_manifest(repository, media_type, data, tags)
        if document.subject is not None:
            headers["OCI-Subject"] = document.subject.digest
        self.answer(201, headers=headers)

    def delete_manifest(self, repository: str, text: str) -> None:
        self._need(repository)
        reference = tag_or_digest(text)
        if not self.storage.delete_manifest(repository, reference):
            raise _no_manifest(repository, reference)
        self.answer(202)

    def list_tags(self, repository: str) -> None:
        self._need(repository)
        last = self.asked("last")
        tags = [tag for tag in sorted(self.storage.tags(repository)) if tag > last]
        headers = {"Content-Type": "application/json"}
        if text := self.asked("n"):
            if not _NUMBER.fullmatch(text):
                raise Refusal(400, "PAGINATION_NUMBER_INVALID", f"n={text!r:.100}")
            count = int(text)
            if 0 < count < len(tags):
                headers |= _next(f"/v2/{repository}/tags/list", {"n": str(count), "last": tags[count - 1]})
            tags = tags[:count]
        self.answer(200, encode({"name": repository, "tags": tags}), headers)

    def list_referrers(self, repository: str, text: str) -> None:
        """List referrers in pages that are manifests themselves, so none is larger than those may be."""
        subject, wanted = digest_name(text), self.asked("artifactType")
        headers = {"Content-Type": OCI_INDEX} | ({"OCI-Filters-Applied": "artifactType"} if wanted else {})
        page: list[Descriptor] = []
        room = MANIFEST_LIMIT - _ENVELOPE
        for referrer in self.storage.referrers(repository, subject, after=self.asked("last")):
            if wanted in ("", referrer.artifact_type):
                room -= len(encode(referrer)) + 1
                if room < 0:
                    query = {"last": page[-1].digest} | ({"artifactType": wanted} if wanted else {})
                    headers |= _next(f"/v2/{repository}/referrers/{subject}", query)
                    break
                page.append(referrer)
        self.answer(200, encode(Index(schema_version=2, media_type=OCI_INDEX, manifests=page)), headers)

    def _need(self, repository: str) -> None:
        if not self.storage.has_repository(repository):
            raise Refusal(404, "NAME_UNKNOWN", f"no repository {repository}")


def _no_manifest(repository: str, reference: str) -> Refusal:
    return Refusal(404, "MANIFEST_UNKNOWN", f"{repository} has no manifest {reference}")


def _next(path: str, query: Mapping[str, str]) -> dict[str, str]:
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return {"Link": f'<{path}?{asked}>; rel="next"'}
