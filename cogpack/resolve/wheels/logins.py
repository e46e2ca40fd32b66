"""Logins of package indexes that uv has from elsewhere: of the program `keyring`, where uv would ask it
(`UV_KEYRING_PROVIDER`), and those that `uv auth login` keeps in a file.

The program is asked here, with all variables of its user (a desktop's, a cloud's), of which uv has few when we run it;
and our own client fetches what uv has found.
"""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec

from cogpack.redaction import learn

_SECONDS = 60
_USER_ALONE = re.compile(r"(https?://)([^/:@\s]+)@([^/\s#?]+)([^\s#?]*)", re.IGNORECASE)

_found: dict[tuple[str, str, str], str | None] = {}
"""What each program said in this process, by what it was asked."""


def with_passwords(text: str, environment: Mapping[str, str]) -> str:
    """Put the password behind each user of `text` that stands alone in an address and whose password is known."""
    if "@" not in text:
        return text

    def filled(found: re.Match[str]) -> str:
        scheme, user, host, path = found.groups()
        password = password_of(f"{scheme}{host}{path}", unquote(user), environment)
        return found[0] if password is None else f"{scheme}{user}:{quote(password, safe='')}@{host}{path}"

    return _USER_ALONE.sub(filled, text)


def password_of(url: str, user: str, environment: Mapping[str, str]) -> str | None:
    """Give the password that `user` has for `url`; None where nobody knows one."""
    if login := uv_login(url, environment, user):
        return login[1]
    return _of_keyring(url, user, environment)


def uv_login(url: str, environment: Mapping[str, str], user: str = "") -> tuple[str, str] | None:
    """Give user and password that `uv auth login` keeps for `url`, of the longest address that leads there."""
    asked = urlsplit(url)
    best: tuple[int, str, str] | None = None
    for one in _kept(environment):
        try:
            at = urlsplit(one.service)
        except ValueError:
            continue
        path = at.path.rstrip("/")
        if (at.scheme, at.netloc) != (asked.scheme, asked.netloc.rpartition("@")[2]):
            continue
        if f"{asked.path}/".startswith(f"{path}/") and user in ("", one.username) and one.password:
            best = max(best or (-1, "", ""), (len(path), one.username, one.password))
    if best is None:
        return None
    learn(best[2])
    return best[1:]


class _Credential(msgspec.Struct, frozen=True):
    service: str
    username: str = ""
    password: str = ""


class _Credentials(msgspec.Struct, frozen=True):
    credential: tuple[_Credential, ...] = ()


def _kept(environment: Mapping[str, str]) -> tuple[_Credential, ...]:
    data = environment.get("XDG_DATA_HOME") or f"{environment.get('HOME', '')}/.local/share"
    place = Path(environment.get("UV_CREDENTIALS_DIR") or f"{data}/uv/credentials")
    with suppress(OSError, ValueError, msgspec.ValidationError):
        document = tomllib.loads((place / "credentials.toml").read_text())
        return msgspec.convert(document, _Credentials).credential
    return ()


def _of_keyring(url: str, user: str, environment: Mapping[str, str]) -> str | None:
    """Give the password of `user` at `url`, else at its host, as uv asks for it; None where there is none."""
    if environment.get("UV_KEYRING_PROVIDER") != "subprocess":
        return None
    if user.startswith("-"):  # `keyring` would take it for an option
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
            start_new_session=True,  # it has no terminal to ask at
            check=True,
        )
        if password := done.stdout.decode(errors="replace").rstrip("\r\n"):
            learn(password)
            return password
    return None
