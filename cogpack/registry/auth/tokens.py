"""Challenges become an Authorization header by Docker's token authentication (distribution, docs/spec/auth).

The flow is a generator that yields a token request and receives its answer, so that it is tested without a socket.
"""

import ipaddress
import re
from collections.abc import Generator, Iterable
from urllib.parse import urlencode, urlsplit

import msgspec

from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.http import RETRIED, Response, Trust, host_only, is_loopback, is_private, literal_kind, redacted
from cogpack.oci import decode
from cogpack.patterns import pattern
from cogpack.registry.auth.challenge import Challenge
from cogpack.registry.credentials import Kind, Login, Secret

ANSWER_LIMIT = 128 * 1024
"""Bytes of a token server's answer."""

FOREVER = float("inf")
_DEFAULT_LIFE = 60.0
_LONGEST_LIFE = 24 * 3600.0
_HOST = pattern(r"[\w.:%-]+")
_HUB = "registry-1.docker.io", "auth.docker.io"
_OPERATOR = "tell the registry's operator"


class TokenRequest(msgspec.Struct, frozen=True):
    """What a token server is asked; `authorization` and `form` hold secrets, the address holds none."""

    method: str
    url: str
    authorization: Secret | None = None
    form: Secret | None = None


class Token(msgspec.Struct, frozen=True):
    """A header that a registry takes, "Bearer ..." or "Basic ...", for `life` seconds from when it was asked for."""

    header: Secret
    life: float


class Refusal(msgspec.Struct, frozen=True):
    """These credentials won't do; others may. `reason`: in the words of who refused."""

    reason: str


class _TokenAnswer(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None
    expires_in: msgspec.Raw = msgspec.Raw(b"null")


class Registry(msgspec.Struct, frozen=True):
    """The registry as the token flow sees it.

    `host` as in its address; `plain`: it is spoken to in the clear; `trust` tells what may be said then.
    """

    host: str
    trust: Trust
    plain: bool = False


def authorize(
    challenges: list[Challenge], login: Login | None, scopes: Iterable[str], registry: Registry
) -> Generator[TokenRequest, Response, Token | Refusal]:
    """Get a token: yields at most one request. `InputError` for a token server where credentials must not go."""
    if login and registry.plain and not registry.trust.allows_credentials(registry.host):
        raise InputError(
            f"{registry.host} is spoken to without TLS: the {login} would be sent in the clear",
            next_step=f"use TLS, or add --insecure-credentials {registry.host} if anybody on the way may read them",
        )
    by_scheme = {challenge.scheme: challenge for challenge in reversed(challenges)}
    if login and login.kind is Kind.REGISTRY_TOKEN:
        return Token(Secret(login.bearer()), FOREVER)
    if bearer := by_scheme.get("bearer"):
        request = _token_request(bearer, login, scopes, registry)
        answer = yield request
        return _token(answer, request, registry.host)
    if "basic" in by_scheme and login and login.kind is Kind.PASSWORD:
        return Token(Secret(login.basic()), FOREVER)
    schemes = ", ".join(by_scheme) or "no way to log in"
    return Refusal(f"it offers {schemes:.100}")


def _token_request(
    challenge: Challenge, login: Login | None, scopes: Iterable[str], registry: Registry
) -> TokenRequest:
    realm = _checked(challenge.parameters.get("realm", ""), login, registry)
    service = challenge.parameters.get("service")
    wanted = list(scopes)
    if login and login.kind is Kind.IDENTITY_TOKEN:
        form = {"grant_type": "refresh_token", "refresh_token": login.secret.reveal(), "client_id": "cogpack"}
        form |= {"service": service or "", "scope": " ".join(wanted)}
        return TokenRequest("POST", realm, form=Secret(urlencode(form)))
    query = ([("service", service)] if service else []) + [("scope", scope) for scope in wanted]
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}" if query else realm
    return TokenRequest("GET", url, authorization=Secret(login.basic()) if login else None)


def _checked(realm: str, login: Login | None, registry: Registry) -> str:
    """Check that the registry may send us to `realm`. What its name resolves to is looked at when connecting."""

    def refused(what: str, next_step: str) -> InputError:
        return InputError(f"{registry.host} names a token server {what}: {shown!r:.200}", next_step=next_step)

    try:
        parts, shown = urlsplit(realm), redacted(realm)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, shown, host, port = urlsplit(""), "", "", None
    bad = not _HOST.fullmatch(host) or "@" in parts.netloc or "#" in realm or _is_odd_number(host)
    if parts.scheme not in ("http", "https") or bad:
        raise refused("that is no address", _OPERATOR)
    # A private address is a company's, if its registry is reached inside, too: looked at when connecting (`Guard`).
    inside = literal_kind(host) == "private" and literal_kind(registry.host) is None
    if is_private(host) and not is_private(registry.host) and not inside:
        raise refused("inside a private network", f"{_OPERATOR}; credentials are not sent there")
    if parts.scheme == "http":
        clear = is_loopback(host) or registry.trust.allows_credentials(host)
        if not registry.plain or (login and not clear):
            raise refused("without TLS", f"{_OPERATOR}; credentials are not sent in the clear")
    if login and not _may_hear(host.rstrip("."), port, login, registry):
        name = _authority(host, port) if is_loopback(host) else host
        raise refused(
            f"that is not for {login.source}", f"add --allow-realm {name} if that is where its credentials belong"
        )
    return realm


def _authority(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _may_hear(realm: str, port: int | None, login: Login, registry: Registry) -> bool:
    """Tell whether `login` may go to the token server at the host `realm`. What CI gives goes to named hosts only.

    On loopback another port may be another user's: where token servers are named at all, it must be among them.
    """
    own, named = host_only(registry.host).lower(), registry.trust.realms
    if named is not None and is_loopback(own) and _authority(realm, port) != registry.host.lower():
        return bool({realm, _authority(realm, port)} & {name.lower() for name in named})
    if realm in {own, *(host_only(name).lower() for name in named or ())}:
        return True
    if login.realms is not None:
        return realm in login.realms
    return named is None or _is_below(realm, own)


def _is_below(realm: str, own: str) -> bool:
    """Tell whether who has the name `own` has `realm` too: one below it, its parent, or one below that.

    A parent of two labels may be anybody's (co.uk, github.io): then what is below it does not count.
    """
    if literal_kind(own):
        return False
    parent = own.partition(".")[2]
    labels = parent.count(".") + 1
    return (
        realm.endswith(f".{own}")
        or (labels >= 2 and realm == parent)
        or (labels >= 3 and realm.endswith(f".{parent}"))
        or (own, realm) == _HUB
    )


def _is_odd_number(host: str) -> bool:
    """Tell apart 2130706433 and 0x7f.1: addresses to a resolver, names to whoever checks them."""
    if not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def _token(answer: Response, request: TokenRequest, host: str) -> Token | Refusal:
    where = f"{host}: its token server {redacted(request.url)}"
    if request.method == "POST" and answer.status in (404, 405):
        raise DeniedError(
            f"{where} takes no identity token (HTTP {answer.status} for POST)",
            next_step="log in with a password or an access token in its place",
        )
    if answer.status in (400, 401, 403):
        return Refusal(f"its token server answered HTTP {answer.status}")
    if answer.status in RETRIED or answer.status >= 500:
        raise UnavailableError(f"{where} answered HTTP {answer.status}", next_step="try again later")
    if 300 <= answer.status < 400:
        raise InputError(
            f"{where} sends us elsewhere (HTTP {answer.status}); credentials are not carried on", next_step=_OPERATOR
        )
    try:
        found = decode(answer.body, _TokenAnswer, where=where) if answer.status == 200 else _TokenAnswer()
    except InputError:
        found = _TokenAnswer()
    text = found.token or found.access_token
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise DeniedError(f"{where} answered HTTP {answer.status} without a token", next_step=_OPERATOR)
    return Token(Secret(f"Bearer {text}"), _life(found.expires_in))


def _life(expires_in: msgspec.Raw) -> float:
    """Read a token's life; the spec's 60 s where the server says nothing, or nothing that is a time to come."""
    try:
        life = msgspec.json.decode(expires_in, type=float, strict=False)
    except msgspec.MsgspecError:
        return _DEFAULT_LIFE
    return min(life, _LONGEST_LIFE) if life > 0 else _DEFAULT_LIFE
