"""`cogpack sbom`: what the lock has in the image, as an SPDX or a CycloneDX document."""

import json
from itertools import islice
from typing import Any, Literal, TypeAlias

import msgspec

from cogpack.digest import Digest
from cogpack.documents import check
from cogpack.errors import InputError
from cogpack.images.attached import SPDX_TYPE, attached_files, attached_lock_of
from cogpack.images.interface import Images
from cogpack.lockfile import Lock
from cogpack.locking.attached import attached_lock, told_by
from cogpack.locking.current import current_lock
from cogpack.opening import open_image
from cogpack.planning.describing import find_described
from cogpack.reference import Reference
from cogpack.sbom import cyclonedx_document, spdx_document
from cogpack.session import Session
from cogpack.text import visible

SbomFormat: TypeAlias = Literal["spdx", "cyclonedx"]

_TRIED = 8
"""Documents that are read until one is SPDX: others may attach as many as they like."""


def sbom(session: Session, target: str | None = None, *, form: SbomFormat = "spdx") -> bytes:
    """Return the document of the project's image, for the platform that it is packed for, as a push attaches it; or of
    the image `target` what is attached to that: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]` of a layout."""
    if target is not None:
        return _attached(session, target, form)
    project = find_described(session)
    platform = project.config.pack.platform
    lock = current_lock(session, project, writes=False, locked=session.settings.locked)
    only = msgspec.structs.replace(lock, platforms={platform: lock.platforms[platform]})
    named = project.config.image
    name = Reference.parse(named).repository.rpartition("/")[2] if named else project.root.name
    return _written(name, attached_lock(only, told=told_by(project)).lock, form)


def _attached(session: Session, target: str, form: SbomFormat) -> bytes:
    """Read the SPDX document, which may be another program's; the other form is made of the lock."""
    image = open_image(session, target, next(iter(session.settings.platforms), None))
    if form == "spdx":
        found = attached_spdx(image.images, image.digest)
    else:
        lock = attached_lock_of(image.images, image.digest)
        found = _written(image.images.name.rpartition("/")[2], lock.lock, form) if lock else None
    if found is None:
        raise InputError(
            f"{image.name}: no {'SPDX document' if form == 'spdx' else 'lock'} is attached to {image.digest}",
            next_step="push it again from its project with --attach, or run cogpack sbom there",
        )
    return found


def attached_spdx(images: Images, subject: Digest) -> bytes | None:
    """Read the first that is one: whoever may push to the repository may have attached something else."""
    others = []
    for digest, data in islice(attached_files(images, subject, SPDX_TYPE), _TRIED):
        if (document := read_spdx(data)) is not None:
            return document
        others.append(digest)
    if others:
        raise InputError(
            f"{images.name}: {', '.join(others)}: attached to {subject} as an SPDX document, "
            "expected a JSON object with spdxVersion, found something else",
            next_step="delete it there and push the image again from its project with --attach, "
            "or run cogpack sbom there",
        )
    return None


def read_spdx(data: bytes) -> bytes | None:
    """Write an SPDX document that others may have made in signs that command no terminal; None of what is none."""
    try:
        document = check(data, dict[str, Any])
        if not (isinstance(document, dict) and str(document.get("spdxVersion", "")).startswith("SPDX-")):
            return None
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        if visible(text) != text:
            text = json.dumps(document, indent=2, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return f"{text}\n".encode()


def _written(name: str, lock: Lock, form: SbomFormat) -> bytes:
    return spdx_document(name, lock) if form == "spdx" else cyclonedx_document(name, lock)
