"""What may happen to one request: a cut in the middle of a body, an early answer, a server that stops reading."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """What happens instead of, or to, one request.

    `after`: bytes of the request's body that are read first (for a GET: bytes of the answer's body that are sent).
    `how`: "reset" breaks the connection; "answer" sends `status`, `headers`, `body` then and there, and the rest of the
    request is read ("drain"), not read while the connection stays ("stall") or the connection closed ("close");
    "lost" does the work and cuts before its answer; "late" does the work and answers this; "stall" stops without a
    word; "slow" goes on at `rate` bytes a second; "cut" closes the connection after `after` bytes of an
    answer, all of which arrive; "chunked" answers as usual, in that transfer coding; "drip" reads the request and
    answers with a header block that has no end, a byte now and then, for five seconds. A header that is "" is left
    out.
    """

    how: str
    after: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    then: str = "drain"
    rate: int = 1
    times: int = 1


def reset(after: int = 0, times: int = 1) -> Fault:
    return Fault("reset", after=after, times=times)


def answer(
    status: int, body: bytes = b"", *, after: int = 0, then: str = "drain", times: int = 1, **headers: str
) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("answer", after, status, named, body, then, times=times)


def late(status: int, body: bytes = b"", times: int = 1) -> Fault:
    return Fault("late", status=status, body=body, times=times)


@dataclass
class Seen:
    """One request. `size`: bytes of its body that were read; `status`: of the answer, 0 for none."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    size: int = 0
    status: int = 0

    @property
    def repository(self) -> str:
        """ "" for what is of none."""
        found = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags|referrers)(?:/|$)", self.path)
        return found[1] if found else ""

    @property
    def kind(self) -> str:
        """`POST session`, `PATCH session`, `HEAD blob`, `PUT manifest`, `GET token`, ..."""
        part = self.path.split("/")
        if "uploads" in part:
            return f"{self.method} session"
        for name in ("blobs", "manifests", "tags", "referrers"):
            if name in part:
                return f"{self.method} {name.removesuffix('s')}"
        return f"{self.method} {part[-1] or 'ping'}"
