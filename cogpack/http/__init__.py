"""HTTP for everything: the only import of httpx, so that another transport is one package."""

from cogpack.http.addresses import host_only, is_loopback, is_private, redacted
from cogpack.http.client import ANSWER_LIMIT, BLOCK, Http, Response, Stream, Trust, translated
from cogpack.http.retry import ATTEMPTS, RETRIED, backoff, retry_after

__all__ = [
    "ANSWER_LIMIT",
    "ATTEMPTS",
    "BLOCK",
    "RETRIED",
    "Http",
    "Response",
    "Stream",
    "Trust",
    "backoff",
    "host_only",
    "is_loopback",
    "is_private",
    "redacted",
    "retry_after",
    "translated",
]
