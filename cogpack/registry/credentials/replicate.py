"""Replicate's registry gives out tokens of its own: it tells whose one is, and where a person finds theirs.

As replicate/cog does it (pkg/provider/replicate): `/cog/v1/display-token-url` and `/cog/v1/verify-token`.
"""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.http import Http, Response
from cogpack.oci import decode
from cogpack.reference import Reference
from cogpack.registry.credentials.login import Secret

HOST = "r8.im"
VARIABLE = "COG_REGISTRY_HOST"
"""Names another registry of that kind, which is then the default, too."""
TOKENS = "https://replicate.com/auth/token"
"""Where a person finds the token."""

_API = "r8_"
"""What tokens of Replicate's HTTP API begin with, which its registry does not take."""


class _Page(msgspec.Struct, frozen=True):
    url: str


class _Owner(msgspec.Struct, frozen=True):
    username: str


T = TypeVar("T")


def default_host(environment: Mapping[str, str]) -> str:
    """Give the registry of Replicate's kind that is meant where none is named."""
    return environment.get(VARIABLE) or HOST


def is_of_its_kind(host: str, environment: Mapping[str, str]) -> bool:
    """Tell whether `host` is Replicate's registry or the one that is named in its place (`MatchesRegistry` there)."""
    return host in (HOST, default_host(environment))


def token_page(http: Http, host: str) -> str:
    """Ask the registry where a person finds the token."""
    url = f"{http.base(host)}/cog/v1/display-token-url"
    return _read(http.request("GET", url, origin=url, tries="few"), host, _Page).url


def token_owner(http: Http, host: str, token: Secret) -> str:
    """Ask the registry whose token it is; a `DeniedError` where it is nobody's."""
    text = token.reveal()
    if text.startswith(_API):
        raise InputError(
            f"{host}: that is a token of Replicate's HTTP API, and its registry wants one of its own",
            next_step=f"take the one of {TOKENS}",
        )
    url = f"{http.base(host)}/cog/v1/verify-token"
    answer = http.request(
        "POST",
        url,
        origin=url,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode({"token": text}).encode(),
        tries="few",
    )
    if answer.status in (401, 403):
        raise DeniedError(f"{host} refused the token", next_step=f"take the one of {TOKENS}")
    return _read(answer, host, _Owner).username


def model_page(reference: str) -> str | None:
    """Give the page of a model whose image was pushed there; None of what lies elsewhere."""
    found = Reference.parse(reference)
    return f"https://replicate.com/{found.repository}" if found.registry == HOST else None


def _read(answer: Response, host: str, kind: type[T]) -> T:
    if answer.status == 404:
        raise DeniedError(
            f"{host} knows no such token, or is not Replicate's registry",
            next_step=f"take the token of {TOKENS}; other registries: cogpack login HOST --username USER",
        )
    if answer.status != 200:
        raise UnavailableError(f"{host}: HTTP {answer.status} of {answer.url}", next_step="run it again")
    return decode(answer.body, kind, where=f"{host}: {answer.url}")
