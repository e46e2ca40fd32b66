"""The user's netrc file says who we are to a host, as for curl and pip."""

import netrc
from collections.abc import Mapping
from pathlib import Path

from cogpack.home import home
from cogpack.redaction import learn


def netrc_login(environment: Mapping[str, str], host: str) -> tuple[str, str] | None:
    """Return user and password that `NETRC`, else `~/.netrc`, has for `host`; None where there are none."""
    path = Path(environment.get("NETRC") or (home(environment) or Path("/")) / ".netrc")
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    if not found:
        return None
    learn(found[2] or "")
    return found[0], found[2] or ""
