"""Programs in a tree reach the outside as this machine does: by its proxies, and believing whom it believes.

Companies have proxies that read along, with an authority of their own. Few programs agree on how they are told of
either: by variables mostly, which are set in all their spellings; wget and apt by settings of theirs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cogpack.sandbox.standins import RUNTIME, File, StandIn

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_AUTHORITIES = f"{RUNTIME}/authorities.pem"
_WGET = f"{RUNTIME}/wgetrc"
_BELIEVED = (
    "SSL_CERT_FILE",  # OpenSSL, so Python's ssl; Go, Rust, uv
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
)


class Outside(NamedTuple):
    """Is what programs are given for it. `authorities`: where they see them, if they are given any."""

    variables: Mapping[str, str]
    standins: tuple[StandIn, ...] = ()
    authorities: str | None = None


def outside(environment: Mapping[str, str], authorities: Path | None) -> Outside:
    """Say what programs are given. `environment` names the proxies; `authorities`: a file of all that count, in PEM
    format."""
    proxies = _proxies(environment)
    if authorities is None:
        return Outside(proxies)
    seen = f"/{_AUTHORITIES}"
    files = (
        File(_AUTHORITIES, authorities.read_bytes()),
        File(_WGET, f"ca_certificate = {seen}\n".encode()),
    )
    return Outside({**dict.fromkeys(_BELIEVED, seen), "SYSTEM_WGETRC": f"/{_WGET}", **proxies}, files, seen)


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables of proxies for programs: each in upper and in lower case, since wget, apt and, for http, curl
    read the latter alone, and loopback goes through none."""
    named = {name: environment.get(name) or environment.get(name.upper()) for name in _PROXIES}
    found = {name: value.strip() for name, value in named.items() if value and value.strip()}
    if found.keys() == {"no_proxy"} or not found:
        return {}
    words = found.get("no_proxy", "").replace(",", " ").split()
    if "*" not in words:
        found["no_proxy"] = ",".join([*words, *(word for word in _LOOPBACK if word not in words)])
    return found | {name.upper(): value for name, value in found.items()}
