"""Programs in a tree reach the outside as this machine does: by its proxies, and believing whom it believes.

Companies have proxies that read along, with an authority of their own. Few programs agree on how they are told of
either: by variables mostly, which are set in all their spellings; wget and apt by settings of theirs.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from cogpack.http.authorities import certificates
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
    """Is what programs are given for it. `variables`: beneath those of the image, and `over`: over them; `authorities`:
    where they see them, if they are given any."""

    variables: Mapping[str, str]
    standins: tuple[StandIn, ...] = ()
    authorities: str | None = None
    over: Mapping[str, str] = {}

    def around(self, image: Mapping[str, str]) -> dict[str, str]:
        """Give the variables of programs of an image that has these."""
        return {**self.variables, **image, **self.over}


def outside(environment: Mapping[str, str], authorities: Path | None, *, logins: bool = True) -> Outside:
    """Say what programs are given.

    `environment` names the proxies; `logins`: whether programs may know those of proxies. `authorities`: a file of all
    that count, in PEM format. Where `COG_CA_CERT` is set, they go over an image's own (distroless ones name a file of
    theirs), since only they have what it names.
    """
    proxies = _proxies(environment)
    if not logins:
        proxies = _proxies({name: value for name, value in proxies.items() if "@" not in value})
    if authorities is None:
        return Outside(proxies)
    seen = f"/{_AUTHORITIES}"
    files = (
        File(_AUTHORITIES, certificates(authorities.read_bytes())),
        File(_WGET, f"ca_certificate = {seen}\n".encode()),
    )
    believed = {**dict.fromkeys(_BELIEVED, seen), "SYSTEM_WGETRC": f"/{_WGET}"}
    return Outside(believed | proxies, files, seen, believed if environment.get("COG_CA_CERT") else {})


def proxy_secrets(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Give what nobody may learn of the proxies, each by what it is called: a login before its host, as it is written,
    and the password, unless it is a plain word or number, which may be in any file."""
    found: dict[bytes, str] = {}
    proxies = _proxies(environment)
    for variable in _PROXIES:
        before, sign, host = proxies.get(variable, "").rpartition("@")
        scheme, named, rest = before.partition("://")
        login = rest if named else scheme
        password = unquote(login.partition(":")[2])
        if sign and password and not (password.isalpha() or password.isdigit()):
            found.setdefault(password.encode(errors="surrogateescape"), f"password of the proxy in {variable.upper()}")
        if sign and login:
            written = f"{login}@{re.split('[:/?#]', host, maxsplit=1)[0]}"
            found.setdefault(written.encode(errors="surrogateescape"), f"login of the proxy in {variable.upper()}")
    return {name: secret for secret, name in found.items()}


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
