"""A registry's refusals become our errors here (distribution-spec, "Error Codes")."""

from collections.abc import Mapping

import msgspec

from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import is_loopback, redacted
from cogpack.patterns import pattern
from cogpack.registry.profiles import profile

_TEXT_LIMIT = 300
_WANTS_TLS = pattern(rb"HTTPS (server|port)|SSL-enabled server")
"""In the words of Go, nginx and Apache."""


class MissingBlobError(InputError):
    """A manifest names a blob that the registry does not have, or has no more."""


class ExpiredError(UnavailableError):
    """An address to which a registry sent us is not valid, or not any more: the registry may have a new one."""


def codes(body: bytes) -> list[tuple[str, str]]:
    """Read (code, message) pairs; none where the body is something else (HTML, junk), "" for what is no text."""
    try:
        found = msgspec.json.decode(body[:65536])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    errors = found.get("errors") if isinstance(found, dict) else None
    items = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    return [(_printable(item.get("code")), _printable(item.get("message"))) for item in items]


def _printable(text: object) -> str:
    """Make text of others fit to be shown; "" of what is no text."""
    shown = text[:_TEXT_LIMIT] if isinstance(text, str) else ""
    return "".join(character if character.isprintable() else " " for character in shown)


def reason(status: int, body: bytes) -> str:
    """Give the registry's own words, else its status."""
    words = (": ".join(filter(None, pair)) for pair in codes(body))
    return "; ".join(filter(None, words)) or f"HTTP {status}"


def refusal(
    method: str, url: str, status: int, body: bytes, *, repository: str, doing: str, headers: Mapping[str, str]
) -> CogpackError:
    """Make the error of an answer that is neither success nor worth another try. `doing`: "push to", "pull from"."""
    host = repository.partition("/")[0]
    found = codes(body)
    words = reason(status, body)
    where = f"{method} {redacted(url)}: {words}"
    if status in (401, 403):
        return DeniedError(f"{host} refused {doing} {repository} ({words})", next_step=f"cogpack login {host}")
    # Harbor has a word of its own for a project that is not there; what else could not be found where a POST goes?
    if status == 404 and any(code in ("NAME_UNKNOWN", "NAME_INVALID") or method == "POST" for code, _ in found):
        create = creation(repository)
        return InputError(
            f"{host} has no repository {repository} ({words})",
            next_step=f"create it ({create}), or correct the name"
            if create
            else "create it there, or correct the name",
        )
    if error := wants_tls(host, url, status, body):
        return error
    if any(code == "MANIFEST_BLOB_UNKNOWN" for code, _ in found):
        return MissingBlobError(f"{where} ({status})", next_step="run it again")
    if status == 413:
        return InputError(f"{where}: too large for the registry", next_step="ask its operator to raise the body limit")
    if status == 429:
        return UnavailableError(
            f"{where} ({status})", next_step=f"wait, or cogpack login {host}: accounts may ask more often"
        )
    if status >= 500 or status == 408:
        return UnavailableError(f"{where} ({status})", next_step="run it again; finished layers are not resent")
    return InputError(
        f"{where} ({status})" + (f", server {headers['server']:.60}" if "server" in headers else ""),
        next_step="check that the name is a container registry's and the repository allows this",
    )


def creation(repository: str) -> str:
    """Say how a repository is made there before the first push; "" where a push makes it."""
    host, _, name = repository.partition("/")
    return profile(host).create.format(repository=name)


def wants_tls(host: str, url: str, status: int, body: bytes) -> InputError | None:
    """Make the error where a server that speaks TLS answered a request without it; None where that is not so."""
    if status != 400 or not url.startswith("http:") or not _WANTS_TLS.search(body):
        return None
    there = f"put the authority that signed its certificate into certs.d/{host}/ca.crt of Docker or podman"
    return InputError(
        f"{host} speaks TLS, and was asked without",
        next_step=f"leave out --insecure-registry{f', and {there}' if is_loopback(host) else ''}",
    )
