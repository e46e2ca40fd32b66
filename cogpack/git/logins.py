"""A login that an address has is handed to git by variables: an argument could be read by all users of the machine."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

_HELPER = (
    """!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' """
    """"$COGPACK_GIT_USER" "$COGPACK_GIT_PASSWORD"; }; f"""
)
"""A credential helper (gitcredentials(7))."""


def login_variables(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables by which git logs in as `url` says at its host; none where it says nothing.

    `environment`: what git is run with, which may have settings of the same kind.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return {}
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    key = f"credential.{parts.scheme}://{host}.helper"
    return {
        "GIT_CONFIG_COUNT": str(count + 2),
        f"GIT_CONFIG_KEY_{count}": key,
        f"GIT_CONFIG_VALUE_{count}": "",  # the user's own helpers, which know another login
        f"GIT_CONFIG_KEY_{count + 1}": key,
        f"GIT_CONFIG_VALUE_{count + 1}": _HELPER,
        "COGPACK_GIT_USER": unquote(name),
        "COGPACK_GIT_PASSWORD": unquote(password),
    }
