"""This module reads the three range grammars of the API: `Range` of a download, `Content-Range` and `Range` of an
upload."""

import re

_REQUESTED = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_CHUNK = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class Unsatisfiable(ValueError):  # noqa: N818 - RFC 9110's word
    """Raised of a range that lies outside the blob."""


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, end), end exclusive, of a `Range` request (RFC 9110, 14.1.2); None where the whole is to be sent.

    Forms other than one range of bytes are ignored, as the RFC allows.
    """
    found = _REQUESTED.fullmatch((header or "").strip())
    if not found or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        if int(last) == 0 or size == 0:
            raise Unsatisfiable
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return int(first), min(int(last) + 1, size) if last else size


def chunk_range(header: str) -> tuple[int, int] | None:
    """Return (start, end), end exclusive, of an upload's `Content-Range`: `<start>-<end inclusive>`, no unit, no
    total."""
    found = _CHUNK.fullmatch(header.strip())
    if not found or int(found[2]) < int(found[1]):
        return None
    return int(found[1]), int(found[2]) + 1


def received_range(size: int) -> str:
    """Return the `Range` of an upload's answers. `0-0` also stands for nothing, as in the registries that people
    run."""
    return f"0-{max(0, size - 1)}"
