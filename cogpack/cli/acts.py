"""One function a command: arguments in, one text for standard output out. The commands are imported when they run."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cogpack.errors import InputError

if TYPE_CHECKING:
    from cogpack.commands.plan import PlannedLayer, PlannedWeight
    from cogpack.commands.session import Session

_PASSWORD_LIMIT = 16 * 1024


_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""


def _with_session(arguments: argparse.Namespace, act: Callable[["Session"], str]) -> None:
    """Run `act`, then print the line it answered: after the bars are gone, never among them."""
    from cogpack.commands.session import Session, Settings, default_cache
    from cogpack.console import open_progress
    from cogpack.progress import Cancellation

    _share_one_heap()
    environment = dict(os.environ)
    directory = getattr(arguments, "directory", Path())
    in_ci = bool(environment.get("CI")) and environment["CI"].lower() not in ("0", "false")
    settings = Settings(
        directory=directory,
        file=getattr(arguments, "file", "cog.yaml"),
        cache=(arguments.cache_dir or default_cache(environment)).absolute(),
        jobs=getattr(arguments, "jobs", 1),
        insecure_registries=frozenset(arguments.insecure_registry),
        insecure_credentials=frozenset(arguments.insecure_credentials),
        locked=getattr(arguments, "locked", False)
        or (in_ci and arguments.act is not lock and (directory / "cogpack.lock").exists()),
        paranoid=getattr(arguments, "paranoid", False),
        environment=environment,
    )
    cancellation = Cancellation()
    # A job that is cancelled gets SIGTERM: end it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        open_progress(cancellation, quiet=arguments.quiet or arguments.json) as progress,
        Session(settings, progress, cancellation) as session,
    ):
        line = act(session)
    print(line)


def _share_one_heap() -> None:
    """glibc gives every thread a heap of its own, and each keeps what its blocks once took: a third of our memory."""
    import ctypes

    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def _text(arguments: argparse.Namespace, result: Any, line: str) -> str:
    """`line` for people, the whole `result` for programs."""
    if not arguments.json:
        return line
    from cogpack.oci import encode

    return encode(result).decode()


def push(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        plan(arguments)
        return
    from cogpack.commands.push import push
    from cogpack.console import size_text

    def act(session: "Session") -> str:
        pushed = push(session, arguments.target, rebuild=arguments.rebuild, weights_only=arguments.weights_only)
        if not arguments.quiet:
            words = sorted({layer.vouched for layer in pushed.layers if layer.vouched})
            session.progress.note(
                f"sent {size_text(pushed.sent)} in {pushed.requests} requests, reused {size_text(pushed.reused)}"
                + (f" (known from {', '.join(words)})" if words else "")
            )
        return _text(arguments, pushed, pushed.reference)

    _with_session(arguments, act)


def plan(arguments: argparse.Namespace) -> None:
    from cogpack.commands.plan import plan

    def act(session: "Session") -> str:
        planned = plan(session, arguments.target)
        return _text(arguments, planned, "\n".join(_layer_rows(planned.layers) + _weight_rows(planned.weights)))

    _with_session(arguments, act)


def _layer_rows(layers: Sequence["PlannedLayer"]) -> list[str]:
    from cogpack.console import size_text

    rows = []
    for layer in layers:
        verdict = {True: "moves", False: "there", None: ""}[layer.moves]
        size = f"about {size_text(layer.about)}" if layer.about else "not built yet"
        size = size if layer.size is None else size_text(layer.size)
        why = f" ({layer.compression})" if layer.compression else ""
        rows.append(f"{verdict:<6} {size:>14}  {(layer.digest or '')[7:19]:<12}  {layer.name}{why}")
    return rows


def _weight_rows(weights: Sequence["PlannedWeight"]) -> list[str]:
    from cogpack.console import size_text

    rows = []
    for file in weights:
        rows.append(f"weight {size_text(file.size):>14}  {file.rule:<12}  {file.path} ({file.why})")
        rows += [f"{'':<36}or {other}" for other in file.others]
    return rows


def list_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.plan import plan

    def act(session: "Session") -> str:
        found = plan(session, arguments.target).weights_only()
        return _text(arguments, found, "\n".join(_weight_rows(found.weights) + _layer_rows(found.layers)))

    _with_session(arguments, act)


def split_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.weights import split

    def act(session: "Session") -> str:
        made = split(session, arguments.source, arguments.output, size=arguments.layer_size)
        return _text(arguments, made, f"{made.directory}: {len(made.files) - 1} shards and {made.files[-1]}")

    _with_session(arguments, act)


def join_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.weights import join

    def act(session: "Session") -> str:
        made = join(session, arguments.source, arguments.output)
        return _text(arguments, made, str(arguments.output))

    _with_session(arguments, act)


def verify_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.contents import verify_weights

    def act(session: "Session") -> str:
        checked = verify_weights(session, arguments.target, arguments.against)
        rows = [f"equal  {file.path} ({f'{file.tensors} tensors' if file.tensors else file.how})" for file in checked]
        return _text(arguments, checked, "\n".join(rows))

    _with_session(arguments, act)


def pull_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.pull_weights import pull_weights
    from cogpack.console import size_text

    def act(session: "Session") -> str:
        pulled = pull_weights(session, arguments.target, arguments.output)
        return _text(arguments, pulled, f"{pulled.directory}: {len(pulled.files)} files, {size_text(pulled.size)}")

    _with_session(arguments, act)


def build(arguments: argparse.Namespace) -> None:
    from cogpack.commands.build import build

    def act(session: "Session") -> str:
        built = build(session, arguments.output, tag=arguments.tag, rebuild=arguments.rebuild)
        return _text(arguments, built, built.reference)

    _with_session(arguments, act)


def load(arguments: argparse.Namespace) -> None:
    from cogpack.commands.build import load

    def act(session: "Session") -> str:
        built = load(session, tag=arguments.tag)
        return _text(arguments, built, built.reference)

    _with_session(arguments, act)


def lock(arguments: argparse.Namespace) -> None:
    from cogpack.commands.lock import lock
    from cogpack.commands.prepare import open_project

    def act(session: "Session") -> str:
        project = open_project(session)
        if arguments.locked:
            raise InputError("--locked forbids what cogpack lock does", next_step="leave out --locked")
        made = lock(session, project, upgrade=arguments.upgrade)
        return _text(arguments, made, str(project.root / "cogpack.lock"))

    _with_session(arguments, act)


def schema(arguments: argparse.Namespace) -> None:
    from cogpack.commands.schema import schema

    _with_session(arguments, lambda session: schema(session).decode())


def inspect(arguments: argparse.Namespace) -> None:
    from cogpack.commands.inspect import inspect
    from cogpack.console import size_text

    def act(session: "Session") -> str:
        found = inspect(session, arguments.target)
        rows = [f"{found.reference}", f"digest    {found.digest}", f"platform  {found.platform}"]
        rows += [f"size      {size_text(found.size)} in {len(found.layers)} layers"]
        rows += [f"  {size_text(layer.size):>9}  {layer.digest[7:19]}  {layer.name}" for layer in found.layers]
        rows += [f"input     {name}: {spec.get('type', 'any')}" for name, spec in found.inputs.items()]
        rows += [f"env       {variable}" for variable in found.environment]
        return _text(arguments, found, "\n".join(rows))

    _with_session(arguments, act)


def copy(arguments: argparse.Namespace) -> None:
    from cogpack.commands.copy import copy
    from cogpack.console import size_text

    def act(session: "Session") -> str:
        copied = copy(
            session,
            arguments.source,
            arguments.target,
            platform=arguments.platform,
            referrers=not arguments.no_referrers,
        )
        if not arguments.quiet:
            session.progress.note(
                f"sent {size_text(copied.sent)} in {copied.requests} requests, mounted {size_text(copied.mounted)}, "
                f"reused {size_text(copied.reused)}"
            )
        return _text(arguments, copied, copied.reference)

    _with_session(arguments, act)


def verify(arguments: argparse.Namespace) -> None:
    from cogpack.commands.verify import verify

    def act(session: "Session") -> str:
        verified = verify(session, arguments.target)
        return _text(arguments, verified, verified.reference)

    _with_session(arguments, act)


def login(arguments: argparse.Namespace) -> None:
    from cogpack.commands.login import login, registry_host
    from cogpack.registry.credentials import Secret

    host = registry_host(arguments.host)
    user, password = _asked_for(arguments, host)

    def act(session: "Session") -> str:
        done = login(session, host, user, Secret(password))
        return _text(arguments, done, f"{done.host}: {done.user}, kept in {done.kept}")

    _with_session(arguments, act)


def _asked_for(arguments: argparse.Namespace, host: str) -> tuple[str, str]:
    """User and password, never as an argument: every process on the machine can read those."""
    import getpass

    asks = sys.stdin.isatty()
    user: str | None = arguments.username
    if (user is None or not arguments.password_stdin) and not asks:
        raise InputError(
            f"{host}: user and password can't be asked for without a terminal",
            next_step="give --username USER --password-stdin and the password on standard input",
        )
    if user is None:
        print(f"user for {host}: ", end="", file=sys.stderr, flush=True)
        user = sys.stdin.readline().strip()
    if arguments.password_stdin:
        return user, sys.stdin.read(_PASSWORD_LIMIT).rstrip("\r\n")
    return user, getpass.getpass(f"password for {user} at {host}: ", sys.stderr)


def logout(arguments: argparse.Namespace) -> None:
    from cogpack.commands.login import logout, registry_host

    def act(session: "Session") -> str:
        done = logout(session, registry_host(arguments.host))
        if done.left:
            session.progress.note(f"{done.host}: there are still credentials in {done.left}")
        return _text(arguments, done, f"{done.host}: {'logged out' if done.found else 'was not logged in'}")

    _with_session(arguments, act)


def explain_auth(arguments: argparse.Namespace) -> None:
    from cogpack.commands.auth import explain

    def act(session: "Session") -> str:
        found = explain(session, arguments.target)
        rows = [f"{found.name}: {found.who}", *(f"  {row.source}: {row.said}" for row in found.looked)]
        return _text(arguments, found, "\n".join(rows))

    _with_session(arguments, act)


def serve(arguments: argparse.Namespace) -> None:
    import getpass

    from cogpack.registry.server import Server, User

    def password() -> str:
        if sys.stdin.isatty():
            return getpass.getpass(f"password for {arguments.user}: ")
        return sys.stdin.readline(4096).rstrip("\r\n")

    def log(method: str, path: str, received: int, sent: int) -> None:
        print(f"{method} {path.partition('?')[0]} in={received} out={sent}", file=sys.stderr, flush=True)

    # A background job of a shell script gets SIGTERM, and no SIGINT.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    user = User(arguments.user, password()) if arguments.user is not None else None
    with Server(arguments.directory, host=arguments.host, port=arguments.port, user=user, on_request=log) as server:
        print(f"serving {arguments.directory} on http://{server.address}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def probe(arguments: argparse.Namespace) -> None:
    from cogpack.commands.probe import probe

    def act(session: "Session") -> str:
        probed = probe(session, arguments.target)
        verdicts = {True: "yes", False: "no", None: "?"}
        rows = [f"{found.what:<16} {verdicts[found.works]:<4} {found.detail}".rstrip() for found in probed.findings]
        rows += [f"left behind: {what}" for what in probed.left]
        return _text(arguments, probed, "\n".join([*rows, probed.row]))

    _with_session(arguments, act)
