"""The head of a request is read strictly (RFC 9112, sections 2 to 6).

What two readers could understand in two ways is refused and ends the connection: a proxy before this server may be the
other reader, and what it takes for a body must not be taken for a request here.
"""

import re
from email.message import Message
from io import BufferedIOBase

import msgspec

from cogpack.registry.server.body import Cut

_LINE = 16 * 1024
"""Bytes of a request line."""

_FIELDS = 64 * 1024
"""Bytes of header lines."""

_EMPTY = 4
"""Empty lines before a request that are ignored (RFC 9112 2.2): some clients end a body with one."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n" % _TOKEN)
_FIELD = re.compile(rb"(%b):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\r\n" % _TOKEN)
_NUMBER = re.compile(r"[0-9]{1,18}")


class BadHead(Exception):  # noqa: N818 - an answer, not a fault of the server
    """Raised of a head that is answered with `status` and nothing else."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Head(msgspec.Struct, frozen=True):
    """What a head says. `version`: "HTTP/1.0" or "HTTP/1.1"; `headers`: as they came, without the blanks around
    values."""

    method: str
    target: str
    version: str
    headers: Message

    @property
    def keeps(self) -> bool:
        """Whether the client wants the connection for more (RFC 9112 9.3)."""
        words = {
            word.strip().lower() for value in self.headers.get_all("Connection") or () for word in value.split(",")
        }
        return "keep-alive" in words if self.version == "HTTP/1.0" else "close" not in words

    @property
    def expects(self) -> bool:
        """Whether the body comes after a 100 only (RFC 9110 10.1.1)."""
        return self.version == "HTTP/1.1" and self.headers.get("Expect", "").lower() == "100-continue"


def read_head(stream: BufferedIOBase) -> Head | None:
    """Read the next head of the connection; None where it ends before one begins.

    `BadHead` for what is no head of HTTP/1, `Cut` where it breaks off.
    """
    line = b""
    for _ in range(_EMPTY):
        line = stream.readline(_LINE)
        if line not in (b"\r\n", b"\n"):
            break
    if not line:
        return None
    method, target, version = _request(line)
    headers = _fields(stream)
    _check(version, headers)
    return Head(method, target, version, headers)


def _request(line: bytes) -> tuple[str, str, str]:
    if not line.endswith(b"\n"):
        if len(line) < _LINE:
            raise Cut("the head of a request ends early")
        raise BadHead(414, "the request line is too long")
    found = _REQUEST.fullmatch(line)
    if found is None:
        raise BadHead(400, "no request line of HTTP/1")
    if found[3] != b"1":
        raise BadHead(505, "HTTP/1.1 is spoken here")
    version = "HTTP/1.0" if found[4] == b"0" else "HTTP/1.1"
    return found[1].decode("ascii"), found[2].decode("ascii"), version


def _fields(stream: BufferedIOBase) -> Message:
    headers = Message()
    left = _FIELDS
    while (line := stream.readline(left + 1)) != b"\r\n":
        left -= len(line)
        if left < 0:
            raise BadHead(431, f"more than {_FIELDS} bytes of header lines")
        if not line.endswith(b"\n"):
            raise Cut("the head of a request ends early")
        found = _FIELD.fullmatch(line)
        if found is None:
            raise BadHead(400, "a header line that is not NAME: VALUE")
        headers[found[1].decode("ascii")] = found[2].decode("latin-1")
    return headers


def _check(version: str, headers: Message) -> None:
    """Check what must be told from the fields alone: where the body ends (section 6.3), and for whom it is (3.2)."""
    lengths = headers.get_all("Content-Length") or []
    codings = [text.lower() for text in headers.get_all("Transfer-Encoding") or []]
    if codings and (lengths or version == "HTTP/1.0" or codings != ["chunked"]):
        raise BadHead(400, "a transfer coding other than chunked, or beside a length, or in HTTP/1.0")
    if len(set(lengths)) > 1 or not all(map(_NUMBER.fullmatch, lengths)):
        raise BadHead(400, "a content length that is no number, or several")
    hosts = headers.get_all("Host") or []
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        raise BadHead(400, "no Host, or several")
