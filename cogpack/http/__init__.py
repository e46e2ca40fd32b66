"""HTTP for everything: the only import of an HTTP library, so that another transport is one package.

httpx makes requests and reads answers; below it, httpcore's pools over a network backend of ours, where addresses are
checked and time is kept.
"""

from cogpack.http.addresses import Trust, host_of, host_only, is_loopback, is_private, literal_kind, redacted
from cogpack.http.answer import ANSWER_LIMIT, Response, Stream, TiredError, translated
from cogpack.http.authorities import system_bundle
from cogpack.http.client import Http
from cogpack.http.deadlines import Limits
from cogpack.http.retries import Backoff, Retries, Tries, backoff
from cogpack.http.target import same_origin
from cogpack.http.throttle import RETRIED

__all__ = [
    "ANSWER_LIMIT",
    "RETRIED",
    "Backoff",
    "Http",
    "Limits",
    "Response",
    "Retries",
    "Stream",
    "TiredError",
    "Tries",
    "Trust",
    "backoff",
    "host_of",
    "host_only",
    "is_loopback",
    "is_private",
    "literal_kind",
    "redacted",
    "same_origin",
    "system_bundle",
    "translated",
]
