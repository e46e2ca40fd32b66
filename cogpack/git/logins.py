"""A login that an address has is handed to git by variables: an argument could be read by all users of the machine."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from cogpack.errors import InputError

_HELPER = (
    """!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' """
    """"$COGPACK_GIT_USER" "$COGPACK_GIT_PASSWORD"; }; f"""
)
"""A credential helper (gitcredentials(7))."""


def login_variables(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables by which git logs in as `url` says at its host; none where it says nothing.

    A user alone is who the user's own helpers are asked for, as `git clone` does; what none of them knows may be a
    token, which wants no password. `environment`: what git is run with, which may have settings of the same kind.
    """
    found = re.match(r"(https?)://([^/?#]*)@([^/?#]*)", url, re.IGNORECASE)
    if not found:
        return {}
    scheme, user, host = found.groups()
    name, whole, password = user.partition(":")
    count = _count(environment)
    key = f"credential.{scheme.lower()}://{host}"
    # An empty helper takes away the user's own, which know another login.
    first = ("helper", "") if whole else ("username", unquote(name))
    return {
        "GIT_CONFIG_COUNT": str(count + 2),
        f"GIT_CONFIG_KEY_{count}": f"{key}.{first[0]}",
        f"GIT_CONFIG_VALUE_{count}": first[1],
        f"GIT_CONFIG_KEY_{count + 1}": f"{key}.helper",
        f"GIT_CONFIG_VALUE_{count + 1}": _HELPER,
        "COGPACK_GIT_USER": unquote(name),
        "COGPACK_GIT_PASSWORD": unquote(password),
    }


def _count(environment: Mapping[str, str]) -> int:
    """Tell how many settings git is given by variables already (git-config(1))."""
    count = environment.get("GIT_CONFIG_COUNT") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", count):
        raise InputError(
            f"GIT_CONFIG_COUNT: {count!r:.40} is no number", next_step="correct it, or take it out of the environment"
        )
    return int(count)
