"""HTTP for everything: nothing else imports an HTTP library. Read it from the top:

`Http` (client) decides: where an address is really asked for (url_map), whose credentials go where (netrc_file), which
redirect is followed, what is tried again (retries), how many go to a host at a time (throttle), what is told
(request_trace). It makes an `httpx.Request` and gets an `httpx.Response`, which its callers see as a `Stream` or
`Response` (answer).
`Transport` (transport), an `httpx.BaseTransport`, carries them: by which proxy (proxies), by whose certificates
(authorities), over which of the `Connections` (connections), in an `Exchange` each (exchange).
A `Connection` (sockets) knows how long each wait is (deadlines), and whether an answer comes early; which addresses are
connected to, `Guard` (guard). Addresses and targets are values that all of them use.
"""

from cogpack.http.addresses import Trust, host_of, host_only, is_loopback, is_private, literal_kind, redacted
from cogpack.http.answer import Response, Stream, TiredError
from cogpack.http.authorities import system_bundle
from cogpack.http.client import Http
from cogpack.http.deadlines import Limits
from cogpack.http.netrc_file import netrc_login
from cogpack.http.retries import Backoff, Retries, Tries, backoff
from cogpack.http.target import same_origin
from cogpack.http.throttle import RETRIED
from cogpack.http.url_map import NO_MAP, UrlMap
