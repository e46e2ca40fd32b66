"""The handshake: a 401's challenge in, the Authorization header to send out.

Challenges are RFC 9110 11.6.1; tokens are Docker's token authentication (distribution, docs/spec/auth). The flow is a
generator that yields token requests and receives their answers, so that it is tested without a socket.
"""

import re
import threading
import time
from collections.abc import Generator, Iterable
from urllib.parse import urlencode, urlsplit

import msgspec

from cogpack.errors import DeniedError, InputError
from cogpack.http import Http, Response, is_private, redacted
from cogpack.registry.credentials import Login

_CHALLENGE = re.compile(r"(?:^|,\s*|\s)([A-Za-z][A-Za-z0-9_-]*)\s+(?=[A-Za-z0-9_-]+\s*=)")
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_TOKEN_LIMIT = 128 * 1024
_SHORTEST_LIFE = 60.0


class Challenge(msgspec.Struct, frozen=True):
    """One scheme of a WWW-Authenticate header: "bearer" or "basic" in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """All challenges of `header`, the ones we can't answer included."""
    found: list[Challenge] = []
    starts = [match for match in _CHALLENGE.finditer(header) if header[: match.start()].count('"') % 2 == 0]
    for index, match in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(header)
        parameters = {
            key.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
            for key, quoted, bare in _PARAMETER.findall(header[match.end() : end])
        }
        found.append(Challenge(match[1].lower(), parameters))
    if not found and header.strip().lower().startswith("basic"):
        found.append(Challenge("basic", {}))
    return found


class TokenRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


class Token(msgspec.Struct, frozen=True):
    """`life`: seconds from the moment it was asked for."""

    header: str
    life: float


class _TokenAnswer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float = _SHORTEST_LIFE


def authorize(
    challenges: list[Challenge], login: Login | None, scopes: Iterable[str], *, host: str
) -> Generator[TokenRequest, Response, Token]:
    """From challenges to a header. Yields at most one token request. Raises `DeniedError` when nothing fits."""
    by_scheme = {challenge.scheme: challenge for challenge in reversed(challenges)}
    if login and login.registry_token:
        return Token(f"Bearer {login.registry_token.reveal()}", float("inf"))
    if bearer := by_scheme.get("bearer"):
        request = _token_request(bearer, login, scopes, host)
        answer = yield request
        return _token(answer, host)
    if "basic" in by_scheme and login and login.password:
        return Token(login.basic(), float("inf"))
    raise DeniedError(
        f"{host} wants credentials{'' if login is None else ' of another kind than those stored'}",
        next_step=f"docker login {host}",
    )


def _token_request(challenge: Challenge, login: Login | None, scopes: Iterable[str], host: str) -> TokenRequest:
    realm = challenge.parameters.get("realm", "")
    parts = urlsplit(realm)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise InputError(
            f"{host} names a token server that is no address: {redacted(realm)!r:.200}",
            next_step="tell the registry's operator",
        )
    if is_private(parts.hostname) and not is_private(host):
        raise InputError(
            f"{host} names a token server inside a private network: {redacted(realm)}",
            next_step="tell the registry's operator; credentials are not sent there",
        )
    if parts.scheme == "http" and not is_private(host):
        raise InputError(
            f"{host} names a token server without TLS: {redacted(realm)}",
            next_step="tell the registry's operator; credentials are not sent in the clear",
        )
    service = challenge.parameters.get("service")
    wanted = list(dict.fromkeys([*scopes, *challenge.parameters.get("scope", "").split()]))
    if login and login.identity_token:
        form = {"grant_type": "refresh_token", "refresh_token": login.identity_token.reveal(), "client_id": "cogpack"}
        form |= {"service": service or "", "scope": " ".join(wanted)}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return TokenRequest("POST", realm, headers, urlencode(form).encode())
    query = ([("service", service)] if service else []) + [("scope", scope) for scope in wanted]
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
    return TokenRequest("GET", url, {"Authorization": login.basic()} if login and login.password else {})


def _token(answer: Response, host: str) -> Token:
    if answer.status in (400, 401, 403):
        raise DeniedError(
            f"{host}: its token server refused our credentials (HTTP {answer.status})", next_step=f"docker login {host}"
        )
    try:
        found = msgspec.json.decode(answer.body, type=_TokenAnswer) if answer.status == 200 else _TokenAnswer()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = _TokenAnswer()
    text = found.token or found.access_token
    if not text or not text.isascii() or any(character.isspace() for character in text):
        raise DeniedError(
            f"{host}: its token server answered HTTP {answer.status} without a token", next_step="try again later"
        )
    return Token(f"Bearer {text}", max(found.expires_in, 1.0))


class Authorizer:
    """The current header for one repository, shared by all threads: one refresh serves them all."""

    def __init__(self, http: Http, host: str, login: Login | None, scopes: tuple[str, ...]) -> None:
        self._http = http
        self._host = host
        self._login = login
        self._scopes = list(scopes)
        self._challenges: list[Challenge] = []
        self._header: str | None = None
        self._fresh_until = float("inf")
        self._lock = threading.Lock()

    def header(self) -> str | None:
        """What to send now. A token about to end is replaced first: a registry looks at it when a request begins."""
        with self._lock:
            if self._challenges and time.monotonic() > self._fresh_until:
                self._renew()
            return self._header

    def challenged(self, answer_header: str, used: str | None, *, more_scopes: Iterable[str] = ()) -> None:
        """A 401 came for a request that was sent with `used`; afterwards `header` has a better one, or this raised."""
        with self._lock:
            added = [scope for scope in more_scopes if scope not in self._scopes]
            if self._header is not None and self._header != used and not added:
                return  # another thread has renewed it meanwhile
            self._scopes += added
            self._challenges = parse_challenges(answer_header) or self._challenges
            self._renew()

    def _renew(self) -> None:
        started = time.monotonic()
        flow = authorize(self._challenges, self._login, self._scopes, host=self._host)
        try:
            request = next(flow)
            answer = self._http.request(
                request.method, request.url, headers=request.headers, body=request.body, limit=_TOKEN_LIMIT
            )
            flow.send(answer)
        except StopIteration as stop:
            token: Token = stop.value
            self._header = token.header
            self._fresh_until = (
                started + token.life - max(10.0, token.life / 5) if token.life > 20 else started + token.life / 2
            )
            return
        raise AssertionError("one token request is enough")
