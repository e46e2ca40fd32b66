"""Manifests that refer to another by `subject`: signatures, SBOMs (distribution-spec v1.1, "Referrers").

A registry that keeps the list itself says so (`OCI-Subject`). For the others the list is an index under the fallback
tag `sha256-<hex>`, which every client reads, changes and puts back; nothing locks it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from cogpack.digest import Digest, sha256
from cogpack.errors import InputError, UnavailableError
from cogpack.oci import (
    MANIFEST_LIMIT,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    decode,
    encode,
    encode_manifest,
)
from cogpack.registry.repository import Repository

OCI_EMPTY = "application/vnd.oci.empty.v1+json"
"""The config of an artifact that needs none: `{}` (image-spec manifest.md, "Guidance for an Empty Descriptor")."""

LIMIT = 2_000
"""Referrers of one manifest, and pages of their list."""

_EMPTY = b"{}"
_TELLING = (401, 403, 408, 429)
"""Of the refusals these say something; any other, of an endpoint that many servers have never heard of, says no."""
_TRIES = 3
_NEXT = re.compile(r'<([^<>]{1,8192})>\s*;[^,<]*\brel="?next\b"?', re.IGNORECASE)


class Tags(Protocol):
    """Where a fallback tag can be kept: a repository, a layout."""

    def manifest(self, ref: str) -> tuple[str, bytes, Digest] | None: ...

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None: ...


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an artifact, in memory."""

    media_type: str
    data: bytes
    annotations: dict[str, str] | None = None

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(
            media_type=self.media_type,
            digest=sha256(self.data),
            size=len(self.data),
            annotations=self.annotations,
        )


def list_referrers(
    repository: Repository, subject: Digest, *, artifact_type: str | None = None
) -> tuple[Descriptor, ...]:
    """What refers to `subject`, of one artifact type or of all. The manifests themselves are not looked at."""
    requests = repository.requests
    url = f"{requests.base}/referrers/{subject}"
    if artifact_type:
        url += f"?artifactType={quote(artifact_type, safe='')}"
    found: dict[Digest, Descriptor] = {}
    seen: set[str] = set()
    while url and url not in seen:
        seen.add(url)
        answer = requests.request("GET", url, {"Accept": OCI_INDEX}, follow=True)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        unknown = 400 <= answer.status < 500 and answer.status not in _TELLING
        if unknown or (answer.status == 200 and media_type != OCI_INDEX):
            return _of_type(fallback_entries(repository, subject), artifact_type)
        requests.expect(answer, "GET", 200)
        page = decode(answer.body, Index, where=f"{requests.name}: referrers of {subject}")
        found |= {entry.digest: entry for entry in page.manifests}
        _check_count(max(len(found), len(seen)), f"{requests.name}@{subject}")
        following = _NEXT.search(answer.headers.get("link", ""))
        url = requests.http.redirect(answer.url, following[1]) if following else ""
    return _of_type(found.values(), artifact_type)


def put_referrer(repository: Repository, data: bytes, entry: Descriptor, subject: Digest) -> None:
    """Store a manifest that has `subject`, and see to it that it is listed.

    `entry` is what is listed: the manifest's descriptor, its artifact type and its annotations.
    """
    requests = repository.requests
    url = f"{requests.base}/manifests/{entry.digest}"
    answer = requests.request("PUT", url, {"Content-Type": entry.media_type}, body=data)
    requests.expect(answer, "PUT", 201, 200, 202)
    if answer.headers.get("oci-subject") != subject:
        add_to_fallback(repository, subject, entry, pause=requests.http.pause, where=requests.name)


def attach(
    repository: Repository,
    subject: Descriptor,
    artifact_type: str,
    parts: Sequence[Part] = (),
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Make an artifact of `parts`, store it and let it refer to `subject`; answers the artifact's descriptor."""
    config = Part(media_type=OCI_EMPTY, data=_EMPTY)
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=artifact_type,
        config=config.descriptor,
        layers=[part.descriptor for part in parts] or [config.descriptor],
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=dict(annotations) if annotations else None,
    )
    data = encode_manifest(manifest, next_step="shorten its annotations")
    for part in (config, *parts):
        blob = part.descriptor
        if not repository.has_blob(blob):
            repository.upload([part.data], descriptor=blob, finished=partial(sha256, part.data))
    entry = Descriptor(
        media_type=OCI_MANIFEST,
        digest=sha256(data),
        size=len(data),
        artifact_type=artifact_type,
        annotations=manifest.annotations,
    )
    put_referrer(repository, data, entry, subject.digest)
    return entry


def fallback_tag(subject: Digest) -> str:
    """distribution-spec, "Referrers Tag Schema"."""
    return subject.replace(":", "-")


def cosign_tags(subject: Digest) -> tuple[str, ...]:
    """Where cosign before 3.0 keeps signatures, attestations and an SBOM: images of their own, listed nowhere."""
    return tuple(f"{fallback_tag(subject)}.{kind}" for kind in ("sig", "att", "sbom"))


def fallback_entries(tags: Tags, subject: Digest) -> tuple[Descriptor, ...]:
    """What is listed under the fallback tag, each once."""
    tag = fallback_tag(subject)
    found = tags.manifest(tag)
    return _entries(found[1], tag) if found else ()


def add_to_fallback(
    tags: Tags, subject: Digest, entry: Descriptor, *, pause: Callable[[int], None], where: str
) -> None:
    """List `entry` under the fallback tag. Read back, for another client may have put its own list over ours."""
    tag = fallback_tag(subject)
    for attempt in range(_TRIES + 1):
        found = tags.manifest(tag)
        data = found[1] if found else encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        if entry.digest in {listed.digest for listed in _entries(data, tag)}:
            return
        if attempt:  # somebody else was faster: not in step with them again
            pause(attempt)
        if attempt < _TRIES:
            tags.put_manifest(_with(data, entry, tag), OCI_INDEX, tag)
    raise UnavailableError(
        f"{where}:{tag}: {entry.digest} was listed {_TRIES} times and each time removed by another client",
        next_step="run it again",
    )


def _entries(data: bytes, tag: str) -> tuple[Descriptor, ...]:
    listed = decode(data, Index, where=f"referrers under {tag}").manifests
    _check_count(len(listed), tag)
    return tuple({entry.digest: entry for entry in listed}.values())


def _with(data: bytes, entry: Descriptor, tag: str) -> bytes:
    """The list of others as they wrote it, unknown fields included, and `entry`."""
    index: dict[str, Any] = decode(data, dict, where=tag)
    entries = {listed["digest"]: listed for listed in index["manifests"]}
    entries[entry.digest] = msgspec.to_builtins(entry)
    made = encode({**index, "manifests": list(entries.values())})
    if len(made) > MANIFEST_LIMIT:
        raise InputError(
            f"{tag}: a list of {len(entries)} referrers is larger than registries take",
            next_step="delete old signatures and SBOMs of this image",
        )
    return made


def _of_type(entries: Iterable[Descriptor], artifact_type: str | None) -> tuple[Descriptor, ...]:
    """Filtered by us in any case: not every registry does, or says so."""
    return tuple(entry for entry in entries if artifact_type in (None, entry.artifact_type))


def _check_count(count: int, where: str) -> None:
    if count > LIMIT:
        raise InputError(
            f"{where}: more than {LIMIT} referrers, or pages of them", next_step="copy without them: --no-referrers"
        )
