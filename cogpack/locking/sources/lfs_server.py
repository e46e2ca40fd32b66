"""Where the files of git-lfs are asked for, and as whom: as git-lfs finds it of a repository's address
(git-lfs docs/api/server-discovery.md, authentication.md), with what git has been told of it."""

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from cogpack.errors import InputError
from cogpack.git.program import Git, GitFailedError
from cogpack.redaction import learn
from cogpack.session import Session

_SECONDS = 60
_SCP = re.compile(r"(?P<host>(?:[^/@:]+@)?[^/@:]+):(?P<path>[^/].*|/.*)")
_WORD = re.compile(r"(?!-)[A-Za-z0-9._~@%+=:/\[\]-]+")
"""What ssh is given: no option, and nothing for a shell."""


class LfsServer(msgspec.Struct, frozen=True):
    """Is asked at `batch`, with `headers`. `with_login` gives that address with the login that git's credential helpers
    have for it, or None."""

    batch: str
    headers: Mapping[str, str] = {}
    with_login: Callable[[], str | None] = lambda: None


class _Authenticated(msgspec.Struct, frozen=True):
    href: str = ""
    header: dict[str, str] = {}


def lfs_server(session: Session, git: Git, url: str, logins: Mapping[str, str]) -> LfsServer:
    """Find the server of the repository at `url`, in which is no login: all who are here can read what git is started
    with. `logins`: variables by which git has it."""
    if session.http.url_map.find(url) is None:
        with suppress(GitFailedError, UnicodeDecodeError):  # by `url.*.insteadOf`; no server is asked
            url = git("ls-remote", "--get-url", "--", url).decode().strip() or url
    try:
        found = urlsplit(url) if url.startswith("ssh:") else None
        port = found.port if found else None
    except ValueError:
        text = "what git takes for the repository's address (url.*.insteadOf) is none"
        raise InputError(text, next_step="correct git's config") from None
    scp = _SCP.fullmatch(url) if "://" not in url else None
    if found and found.hostname:
        host = f"{found.username}@{found.hostname}" if found.username else found.hostname
        server = _by_ssh(session, host, port, found.path)
        return server or LfsServer(_batch(f"https://{found.hostname}{found.path}"))
    if scp:
        server = _by_ssh(session, scp["host"], None, scp["path"])
        return server or LfsServer(_batch(f"https://{scp['host'].rpartition('@')[2]}/{scp['path'].lstrip('/')}"))
    return LfsServer(_batch(url), with_login=partial(_with_login, git, _batch(url), logins))


def _batch(url: str) -> str:
    return f"{url.rstrip('/').removesuffix('.git')}.git/info/lfs/objects/batch"


def _with_login(git: Git, batch: str, logins: Mapping[str, str]) -> str | None:
    parts = urlsplit(batch)
    host = parts.netloc.rpartition("@")[2]
    asked = f"protocol={parts.scheme}\nhost={host}\npath={parts.path.lstrip('/')}\n\n"
    try:
        said = git("credential", "fill", data=asked.encode(), variables=logins).decode()
    except (GitFailedError, UnicodeDecodeError):
        return None
    pairs = dict(line.partition("=")[::2] for line in said.splitlines())
    user, password = (pairs.get(name, "") for name in ("username", "password"))
    if not user and not password:
        return None
    learn(password)
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def _by_ssh(session: Session, host: str, port: int | None, path: str) -> LfsServer | None:
    """Ask the server by ssh, as git-lfs does; None where it has no such command."""
    if not (_WORD.fullmatch(host) and _WORD.fullmatch(path)):
        return None
    environment = {**session.environment, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    options = ["-o", "BatchMode=yes", *(["-p", str(port)] if port else []), "--", host]
    command = f"git-lfs-authenticate {path.lstrip('/') if not path.startswith('/~') else path[1:]} download"
    words = ["ssh", *options, command]
    if own := session.environment.get("GIT_SSH_COMMAND"):  # which git has a shell read
        words = ["/bin/sh", "-c", f"{own} {shlex.join([*options, command])}"]
    try:
        done = subprocess.run(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            start_new_session=True,
            check=True,
        )
        found = msgspec.json.decode(done.stdout, type=_Authenticated)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError):
        return None
    for value in found.header.values():
        learn(value)
    if not found.href.startswith(("https://", "http://")):
        return None
    return LfsServer(f"{found.href.rstrip('/')}/objects/batch", found.header)
