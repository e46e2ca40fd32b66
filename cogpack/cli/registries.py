"""Each function here runs one command about registries."""

import argparse
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, heed_signals, with_session
from cogpack.cli.summary import moved_text, suggest
from cogpack.cli.weights import pull_weights
from cogpack.errors import InputError

if TYPE_CHECKING:
    from cogpack.session import Session

_PASSWORD_LIMIT = 16 * 1024


def copy(arguments: argparse.Namespace) -> None:
    from cogpack.commands.copy import copy
    from cogpack.text import size_text

    def act(session: "Session") -> Answer:
        began = time.monotonic()
        copied = copy(
            session,
            arguments.source,
            arguments.target,
            platform=arguments.platform,
            referrers=not arguments.no_referrers,
        )
        if not arguments.quiet:
            session.progress.summary(
                moved_text("sent", copied.sent, time.monotonic() - began, requests=copied.requests)
                + f"; mounted {size_text(copied.mounted)}, reused {size_text(copied.reused)}"
            )
        return Answer(copied, copied.reference)

    with_session(arguments, act)


def pull(arguments: argparse.Namespace) -> None:
    if arguments.only:
        if arguments.output is None:
            raise InputError("--only weights: no output is named", next_step="add -o DIR")
        if arguments.all_platforms:
            raise InputError("--only weights are those of one image", next_step="name one --platform")
        pull_weights(arguments)
        return
    if arguments.all_platforms and arguments.output is None:
        raise InputError("an engine has images of one platform", next_step="leave out --all-platforms, or add -o DIR")
    from cogpack.commands.pull import pull
    from cogpack.text import size_text

    def act(session: "Session") -> Answer:
        started = time.monotonic()
        if arguments.output:
            every = arguments.all_platforms
            pulled = pull(session, arguments.target, arguments.output, platform=arguments.platform, all_platforms=every)
        else:
            from cogpack.commands.pull_into_engine import CONTAINERD, DOCKER, PODMAN, pull_into

            engine = DOCKER if arguments.docker else PODMAN if arguments.podman else CONTAINERD
            pulled = pull_into(session, arguments.target, engine, platform=arguments.platform)
        if not arguments.quiet:
            sum_ = moved_text("fetched", pulled.fetched, time.monotonic() - started)
            session.progress.summary(f"{sum_}; reused {size_text(pulled.reused)}")
            if arguments.docker or arguments.podman:
                program = "docker" if arguments.docker else "podman"
                suggest(arguments, session, f"{program} run -p 5000:5000 {arguments.target}")
        return Answer(pulled, pulled.reference)

    with_session(arguments, act)


def login(arguments: argparse.Namespace) -> None:
    from cogpack.commands.login import login, login_with_token, registry_host
    from cogpack.registry.credentials import Secret
    from cogpack.registry.credentials.replicate import default_host, is_of_its_kind

    named: str | None = arguments.host
    host = registry_host(default_host(os.environ) if named is None else named)
    by_user = arguments.username is not None or arguments.password_stdin
    by_token = arguments.token_stdin or (is_of_its_kind(host, os.environ) and not by_user)

    def act(session: "Session") -> Answer:
        if by_token:
            done = login_with_token(session, host, Secret(_asked_token(arguments, session, host)))
        else:
            done = login(session, host, user, Secret(password))
        return Answer(done, f"{done.host}: {done.user}, kept in {done.kept}")

    user, password = ("", "") if by_token else _asked_for(arguments, host)
    with_session(arguments, act)


def _asked_token(arguments: argparse.Namespace, session: "Session", host: str) -> str:
    """Read it from standard input, or show a person where it is to be found, and ask for it."""
    from cogpack.registry.credentials.replicate import TOKENS, token_page

    if arguments.token_stdin:
        return _from_stdin(_PASSWORD_LIMIT).strip()
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(
            f"{host}: a token can't be asked for without a terminal",
            next_step=f"give --token-stdin, and the token of {TOKENS} on standard input",
        )
    session.progress.summary(f"the token is at {token_page(session.http.unmapped(), host)}")
    return _typed("token", host, f"token for {host}").strip()


def _asked_for(arguments: argparse.Namespace, host: str) -> tuple[str, str]:
    """Ask for user and password, never as an argument: every process on the machine can read those."""
    asks = sys.stdin is not None and sys.stdin.isatty()
    user: str | None = arguments.username
    if (user is None or not arguments.password_stdin) and not asks:
        raise InputError(
            f"{host}: user and password can't be asked for without a terminal",
            next_step="give --username USER --password-stdin and the password on standard input",
        )
    if user is None:
        print(f"user for {host}: ", end="", file=sys.stderr, flush=True)
        user = _from_stdin(_PASSWORD_LIMIT, line=True).strip()
    if arguments.password_stdin:
        return user, _from_stdin(_PASSWORD_LIMIT).rstrip("\r\n")
    return user, _typed("password", host, f"password for {user} at {host}")


def _typed(what: str, where: str, prompt: str) -> str:
    """Ask for a secret at the terminal, which does not show it."""
    import getpass

    try:
        return getpass.getpass(f"{prompt}: ", sys.stderr)
    except EOFError:
        raise InputError(f"{where}: no {what} was given", next_step="give one") from None


def _from_stdin(limit: int, *, line: bool = False) -> str:
    if sys.stdin is None:
        raise InputError("standard input is closed", next_step="give the password there, as in: < FILE")
    try:
        return sys.stdin.readline(limit) if line else sys.stdin.read(limit)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"standard input: can't be read: {error}", next_step="give UTF-8 text there") from None


def logout(arguments: argparse.Namespace) -> None:
    from cogpack.commands.login import logout, registry_host
    from cogpack.notes import Code, Note

    def act(session: "Session") -> Answer:
        done = logout(session, registry_host(arguments.host))
        if left := ", ".join([*([done.left] if done.left else []), *done.paths]):
            session.progress.note(Note(Code.CREDENTIALS_LEFT, f"{done.host}: there are still credentials in {left}"))
        return Answer(done, f"{done.host}: {'logged out' if done.found else 'was not logged in'}")

    with_session(arguments, act)


def explain_auth(arguments: argparse.Namespace) -> None:
    from cogpack.commands.explain_auth import explain
    from cogpack.text import lines

    def act(session: "Session") -> Answer:
        found = explain(session, arguments.target)
        rows = [f"{found.name}: {found.who}", *(f"  {row.source}: {row.said}" for row in found.looked)]
        return Answer(found, lines(rows))

    with_session(arguments, act)


def serve(arguments: argparse.Namespace) -> None:
    from cogpack.registry.server import Server, User
    from cogpack.text import printable

    def password() -> str:
        if sys.stdin is not None and sys.stdin.isatty():
            return _typed("password", f"user {arguments.user}", f"password for {arguments.user}")
        return _from_stdin(4096, line=True).rstrip("\r\n")

    def log(method: str, path: str, received: int, sent: int) -> None:
        line = printable(f"{method} {path.partition('?')[0]} in={received} out={sent}")
        print(line.replace("\n", "?"), file=sys.stderr, flush=True)

    heed_signals()  # a background job of a shell script gets no SIGINT
    user = User(arguments.user, password()) if arguments.user is not None else None
    with (
        contextlib.suppress(KeyboardInterrupt),
        Server(arguments.directory, host=arguments.host, port=arguments.port, user=user, on_request=log) as server,
    ):
        print(f"serving {arguments.directory} on http://{server.address}", flush=True)
        server.serve_forever()


def probe(arguments: argparse.Namespace) -> None:
    from cogpack.commands.probe import probe
    from cogpack.text import count_text, lines

    def act(session: "Session") -> Answer:
        probed = probe(session, arguments.target)
        verdicts = {True: "yes", False: "no", None: "?"}
        rows = [f"{found.what:<16} {verdicts[found.works]:<4} {found.detail}".rstrip() for found in probed.findings]
        if arguments.verbose:
            rows += [*(f"left behind: {what}" for what in probed.left), *probed.row.splitlines()]
        elif probed.left:
            rows += [f"{count_text(len(probed.left), 'thing')} left behind, which can't be deleted: -v names them"]
        return Answer(probed, lines(rows))

    with_session(arguments, act)
