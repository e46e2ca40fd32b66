"""`Http` decides what is sent, to whom, and how often; the transport below it only carries requests.

All threads share one. No redirect is followed unasked, and no cookie kept: credentials and bodies go only where a rule
below lets them.
"""

import copy
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx

from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http.addresses import Trust, host_of, redacted
from cogpack.http.answer import ANSWER_LIMIT, Response, Stream, translated
from cogpack.http.deadlines import Deadlines, Limits
from cogpack.http.guard import Guard, Resolver, resolve
from cogpack.http.netrc_file import netrc_login
from cogpack.http.request_trace import RequestTrace
from cogpack.http.retries import ATTEMPTS, Backoff, Retries, Tries, backoff, retry_after
from cogpack.http.target import Target, authorization, basic, same_origin
from cogpack.http.throttle import RETRIED, Throttles
from cogpack.http.transport import Transport
from cogpack.http.url_map import NO_MAP, UrlMap
from cogpack.patterns import pattern
from cogpack.progress import SILENT, Cancellation, Progress
from cogpack.redaction import learn

_BRIEF = Limits(connect=1, answer=2, idle=1, refusal=1)
_NEUTRAL = frozenset(
    {"accept", "accept-encoding", "range", "if-match", "if-none-match", "user-agent", "x-amz-checksum-mode"}
)
"""Headers that say nothing of who we are: no others go where an address is mapped to."""
_LOGIN = pattern("(basic|bearer) ", re.IGNORECASE)
_HEADERS = {"User-Agent": "cogpack", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "keep-alive"}


class Http:
    """Sends requests. `request` retries, `open` leaves that to the caller, who knows what can be replayed.

    `origin` of each call: the address on whose word we go to `url`. For what the user named that is `url` itself; for
    what a server named (a Location, a realm) it is that server's, and then `url` may not lead to where only this
    machine can go (`Guard`): an `InputError`, also of a name that has such an address.

    `url_map`: where addresses are really asked for. Who we are there is said by the netrc file, and never by the
    caller's headers or the address, which are for the other host. Answers have the address that the caller has, errors
    both.

    `offline`: only registries are asked (`unmapped`), which the user names.

    `environment`: where proxies, certificates and the netrc file are looked up. `clock`: of retries, throttles and
    tokens. `limits`, `resolver`, `clock`, `backoff`: for tests.
    """

    def __init__(
        self,
        *,
        trust: Trust | None = None,
        environment: Mapping[str, str] = {},
        url_map: UrlMap = NO_MAP,
        offline: bool = False,
        cancellation: Cancellation | None = None,
        progress: Progress = SILENT,
        limits: Limits | None = None,
        resolver: Resolver = resolve,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff = backoff,
    ) -> None:
        self.trust = trust or Trust()
        self.url_map = url_map
        self._offline = offline
        self._environment = environment
        self.cancellation = cancellation or Cancellation()
        self.progress = progress
        self.limits = limits or Limits()
        self.clock = clock
        self._backoff = backoff
        self._transport = Transport(Guard(resolver), environment)
        self._throttles = Throttles(self.cancellation, clock)

    def unmapped(self) -> "Http":
        """Return it for a registry, whose addresses are never mapped: it has mirrors, and is pushed to."""
        if not self.url_map.rules and not self._offline:
            return self
        found = copy.copy(self)
        found.url_map = NO_MAP
        found._offline = False  # noqa: SLF001
        return found

    def shown(self, url: str) -> str:
        """Return `url` as messages have it: without secrets, with the address that it is mapped to."""
        return self.url_map.shown(url)

    def base(self, host: str) -> str:
        """Return the address of a registry `host`, with or without port: `https://HOST`, or `http://HOST`.

        In the clear where `trust` says so, but of loopback only what has no certificates of its own in `certs.d`.
        """
        tls = f"https://{host}"
        if not self.trust.allows_plain(host):
            return tls
        if not self.trust.names_plain(host) and self._transport.authorities.has_own(Target.parse(tls).authority):
            return tls
        return f"http://{host}"

    def request(
        self,
        method: str,
        url: str,
        *,
        origin: str,
        headers: Mapping[str, str] = {},
        body: bytes | None = None,
        limit: int = ANSWER_LIMIT,
        tries: Tries = "wait out",
        follow: bool = False,
    ) -> Response:
        """Make one request with a small answer; it is made again after failures that may pass, as `tries` says.

        Who can do without the answer does not wait for a host that is down. `follow`: over redirects, see there.
        """
        retries = self.retries(wait_out=tries == "wait out")
        while True:
            answer = None
            try:
                with (
                    self.follow(url, origin=origin, headers=headers, method=method)
                    if follow
                    else self.open(method, url, origin=origin, headers=headers, body=body)
                ) as stream:
                    answer = Response(stream.status, stream.headers, stream.body(limit), stream.url)
                    if answer.status not in RETRIED:
                        return answer
                    raise UnavailableError(f"{self._host(answer.url)}: HTTP {answer.status}", next_step="wait")
            except UnavailableError as error:
                if tries != "once" and retries.wait(error):
                    continue
                if answer is None:
                    raise
                return answer

    def retries(self, attempts: float = ATTEMPTS, *, wait_out: bool = True) -> Retries:
        """Count the failures of one piece of work whose requests are the caller's own: those that left an `open`."""
        return Retries(
            self._throttles,
            self.progress,
            self._backoff,
            attempts=attempts,
            wait_out=wait_out,
            budget=self.limits.budget,
        )

    def pause(self, attempt: int) -> None:
        """Wait as long as is usual before `attempt` + 1, for a caller that counts its attempts itself."""
        self.cancellation.wait(self._backoff(attempt))

    def connect_ahead(self, url: str, *, origin: str, count: int = 1) -> None:
        """Have connections for so many requests to `url` that will come; see `Transport.connect_ahead`."""
        self._transport.connect_ahead(url, origin, self.limits, self._throttles, count)

    def send_and_forget(self, method: str, url: str, *, origin: str, headers: Mapping[str, str] = {}) -> None:
        """Say a last word, for which nobody waits long and whose answer does not matter: said even after Ctrl-C."""
        with suppress(CogpackError):
            self._send(method, url, origin, headers, None, Deadlines(_BRIEF, Cancellation())).close()

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        origin: str,
        headers: Mapping[str, str] = {},
        authorize: Callable[[], Mapping[str, str]] = dict,
        body: bytes | Iterable[bytes] | None = None,
        size: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Stream]:
        """Send one request, once. `size`: bytes of an iterable `body`, sent as Content-Length, else it goes chunked.

        `authorize`: headers besides, made when the host has given us a turn: a token may end while we wait.
        `timeout`: seconds from the end of the request to its answer, where the usual minute is too short. What is
        answered before all of `body` is sent ends the sending.
        """
        self.cancellation.check()
        asked = self.url_map.of(url)
        deadlines = Deadlines(self.limits, self.cancellation, answer=timeout)
        sent = dict(headers)
        if size is not None and body is not None and not isinstance(body, bytes):
            sent["Content-Length"] = str(size)
            body = _exactly(size, body, url)
        try:
            with (
                self._throttles.turn(Target.parse(asked).authority, lambda: sent.update(authorize())) as turn,
                RequestTrace(method, url, asked, self.clock, self._transport.proxies) as trace,
                closing(self._send(method, url, origin, sent, trace.counted(body), deadlines)) as stream,
            ):
                trace.answered(stream)
                turn.answered(stream.status, retry_after(stream.headers))
                yield stream
        except UnavailableError as error:
            error.spent = error.spent or deadlines.spent
            raise

    def _send(
        self,
        method: str,
        url: str,
        origin: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        deadlines: Deadlines,
    ) -> Stream:
        if self._offline:
            raise InputError(
                f"{self.shown(url)}: no server is asked with --offline",
                next_step="leave out --offline, or do without it",
            )
        asked, login, headers = self._addressed(url, headers)
        target = Target.parse(asked)
        self._check_plain(target, {**login, **headers})
        learn(*(value for value in {**login, **headers}.values() if _LOGIN.match(value)))
        named_by = host_of(asked if self.url_map.find(url) else self.url_map.of(origin))
        extensions = {
            "target": target.path,
            "deadlines": deadlines,
            "origin": None if named_by == host_of(asked) else named_by,
        }
        sent = httpx.Headers(_HEADERS)
        try:
            sent.update(login)
            sent.update(headers)
        except UnicodeEncodeError:  # its words quote the header, which may be a token
            raise InputError(
                f"{self.shown(url)}: a header beyond ASCII",
                next_step="correct the token or the name that is sent there",
            ) from None
        request = httpx.Request(method, target.origin, headers=sent, content=body, extensions=extensions)
        proxy = self._transport.proxies.choose(asked)
        with translated(asked, named=url, proxy=proxy.url if proxy else None):
            return Stream(self._transport.handle_request(request), basic(url)[0], asked=asked)

    def _addressed(self, url: str, headers: Mapping[str, str]) -> tuple[str, Mapping[str, str], Mapping[str, str]]:
        """Return the address that is asked for `url`, the login for it, and what of `headers` may go there."""
        asked = self.url_map.find(url)
        if asked is not None:
            return asked, self._netrc(asked), {name: headers[name] for name in headers if name.lower() in _NEUTRAL}
        asked, login = basic(url)
        if not login and self.url_map.leads_to(asked) and not any(name.lower() == "authorization" for name in headers):
            login = self._netrc(asked)
        return asked, login, headers

    def _netrc(self, url: str) -> dict[str, str]:
        """Return the login of the netrc file for a host that addresses are mapped to, never to go in the clear."""
        target = Target.parse(url)
        if target.origin.scheme == "http" and not self.trust.allows_credentials(target.authority):
            return {}
        login = netrc_login(self._environment, host_of(url))
        return authorization(*login) if login else {}

    @contextmanager
    def follow(
        self, url: str, *, origin: str, headers: Mapping[str, str] = {}, method: str = "GET"
    ) -> Iterator[Stream]:
        """Send a GET or HEAD, over five redirects at most; Authorization stays behind where the origin changes."""
        url, login = basic(url)
        sent = login | dict(headers)
        for _ in range(6):
            with self.open(method, url, origin=origin, headers=sent) as stream:
                if stream.redirect is None:
                    yield stream
                    return
                target = self.redirect(url, stream.redirect)
            if self.url_map.find(url) or self.url_map.find(target) or not same_origin(target, url):
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            origin, url = url, target
        raise UnavailableError(f"{self.shown(url)}: more than five redirects", next_step="tell the server's operator")

    def redirect(self, url: str, location: str) -> str:
        """Return where `location`, given in an answer from `url`, leads; `InputError` where it must not lead.

        The caller goes there with `origin=url`: a name is looked at when it is resolved.
        """
        base = self.url_map.of(url)
        try:
            target = urljoin(base, location)
            asked = self.url_map.find(target)
            parts, origin = urlsplit(asked or target), urlsplit(base)
            authority = Target.parse(asked or target).authority
        except (InputError, ValueError):
            raise self._refused(url, location, "not a plain http address") from None
        if "@" in urlsplit(target).netloc:
            raise self._refused(url, location, "not a plain http address")
        if asked is None:  # else the user's map says so, and no server
            self._transport.guard.check_name(host_of(target), origin=host_of(base))
        if origin.scheme == "https" and parts.scheme == "http" and not (asked and self.trust.allows_plain(authority)):
            if asked or parts.hostname != origin.hostname:
                raise self._refused(url, location, "a downgrade from TLS")
            # A proxy that ends TLS and does not tell the server: the same host.
            return urlunsplit(parts._replace(scheme="https", netloc=origin.netloc))
        return target

    def _refused(self, url: str, location: str, why: str) -> InputError:
        return InputError(
            f"{self.shown(url)} sends us to {redacted(location)}: {why}",
            next_step="if you trust that server, tell its operator; cogpack does not follow it",
        )

    def _host(self, url: str) -> str:
        """Return the host of `url` as messages have it."""
        asked = self.url_map.find(url)
        through = f" (through {Target.parse(asked).authority})" if asked else ""
        return f"{Target.parse(url).authority}{through}"

    def _check_plain(self, target: Target, headers: Mapping[str, str]) -> None:
        """Refuse to send credentials in the clear, wherever the user wrote them: in an address, too."""
        plain = target.origin.scheme == "http" and not self.trust.allows_credentials(target.authority)
        if plain and any(name.lower() == "authorization" for name in headers):
            raise InputError(
                f"http://{target.authority}: credentials are not sent without TLS",
                next_step=f"use https, or add --insecure-credentials {target.authority} if anyone may read them",
            )

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _exactly(size: int, blocks: Iterable[bytes], url: str) -> Iterator[bytes]:
    """Yield `blocks`, which must be `size` bytes together: what was announced can't be taken back."""
    left = size
    for block in blocks:
        left -= len(block)
        if left < 0:
            break
        yield block
    if left:
        raise MismatchError(
            f"{redacted(url)}: a body of {size} bytes was announced, found {'more' if left < 0 else size - left}",
            next_step="something changes the files while they are sent; run it again",
        )
