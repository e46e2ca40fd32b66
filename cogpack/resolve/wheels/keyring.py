"""Passwords of package indexes that the program `keyring` keeps, where uv would ask it (`UV_KEYRING_PROVIDER`).

It is asked here, with all variables of its user (a desktop's, a cloud's), of which uv has few when we run it; and our
own client fetches what uv has found.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote, unquote

from cogpack.redaction import learn

_SECONDS = 60
_USER_ALONE = re.compile(r"(https?://)([^/:@\s]+)@([^/\s#?]+)([^\s#?]*)", re.IGNORECASE)

_found: dict[tuple[str, str, str], str | None] = {}
"""What each program said in this process, by what it was asked."""


def with_passwords(text: str, environment: Mapping[str, str]) -> str:
    """Put the password behind each user of `text` that stands alone in an address and whose password is known."""
    if environment.get("UV_KEYRING_PROVIDER") != "subprocess" or "@" not in text:
        return text

    def filled(found: re.Match[str]) -> str:
        scheme, user, host, path = found.groups()
        password = keyring_password(f"{scheme}{host}{path}", unquote(user), environment)
        return found[0] if password is None else f"{scheme}{user}:{quote(password, safe='')}@{host}{path}"

    return _USER_ALONE.sub(filled, text)


def keyring_password(url: str, user: str, environment: Mapping[str, str]) -> str | None:
    """Give the password of `user` at `url`, else at its host, as uv looks for it; None where nobody has one."""
    if environment.get("UV_KEYRING_PROVIDER") != "subprocess":
        return None
    if (program := shutil.which("keyring", path=environment.get("PATH"))) is None:
        return None
    host = url.partition("://")[2].partition("/")[0]
    for service in (url, host):
        key = (program, service, user)
        if key not in _found:
            _found[key] = _asked(program, service, user, environment)
        if _found[key] is not None:
            return _found[key]
    return None


def _asked(program: str, service: str, user: str, environment: Mapping[str, str]) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, "get", service, user],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
        if password := done.stdout.decode(errors="replace").rstrip("\r\n"):
            learn(password)
            return password
    return None
