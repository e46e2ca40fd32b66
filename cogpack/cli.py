"""`cogpack`: argv and environment to one settings value, one command, one line of result.

Results go to standard output, all else to standard error. Commands are imported when they are run, so that
`cogpack --version` answers at once.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cogpack import __version__
from cogpack.errors import CogpackError, InputError

if TYPE_CHECKING:
    from cogpack.commands.session import Session


def main(argv: Sequence[str] | None = None) -> NoReturn:
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the process's."""
    arguments = _parser().parse_args(argv)
    from cogpack.progress import Cancelled

    try:
        arguments.act(arguments)
    except CogpackError as error:
        _say(f"error: {error.message}", f"next: {error.next_step}")
        return error.exit_code
    except (KeyboardInterrupt, Cancelled):
        _say("interrupted", "next: run it again; finished layers are not resent")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cogpack",
        description="Turn a Cog project into a standard OCI image without Docker.",
        epilog="Exit codes: 2 change what you wrote, 3 pinned and found differ, 4 credentials, 5 try again later.",
    )
    parser.add_argument("--version", action="version", version=f"cogpack {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, act: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(act=act)
        added.add_argument("--json", action="store_true", help="print the result as JSON")
        added.add_argument("-q", "--quiet", action="store_true", help="no progress, only notes and errors")
        added.add_argument("--cache-dir", type=Path, metavar="DIR", help="downloads and facts [$COGPACK_CACHE_DIR]")
        added.add_argument(
            "--insecure-registry",
            action="append",
            default=[],
            metavar="HOST",
            help="allow plain http to this registry (loopback is always allowed); repeatable",
        )
        return added

    def project(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added.add_argument("-C", "--directory", type=Path, default=Path(), metavar="DIR", help="project directory [.]")
        added.add_argument("-f", "--file", default="cog.yaml", metavar="NAME", help="config file [cog.yaml]")
        added.add_argument("-j", "--jobs", type=_positive, default=4, metavar="N", help="layers at a time [4]")
        added.add_argument(
            "--locked", action="store_true", help="refuse a stale or missing lock [if $CI is set and a lock is there]"
        )
        return added

    push = project(command("push", _push, "Build what is missing and push the image."))
    push.add_argument("target", nargs="?", metavar="HOST/NAME[:TAG]", help="where to [image: of cog.yaml]")
    push.add_argument("--dry-run", action="store_true", help="say what would move, as `cogpack plan` does")
    push.add_argument("--rebuild", action="store_true", help="make every layer anew, whatever lock and cache say")
    plan = project(command("plan", _plan, "Show the layers, their bytes, and what a push would move."))
    plan.add_argument("target", nargs="?", metavar="HOST/NAME[:TAG]", help="where to [image: of cog.yaml]")
    build = project(command("build", _build, "Build into an OCI layout (DIR) or a docker archive (FILE.tar)."))
    build.add_argument("-o", "--output", type=Path, required=True, metavar="DIR|FILE.tar")
    build.add_argument("-t", "--tag", metavar="NAME[:TAG]", help="name of the image in it [image: of cog.yaml]")
    build.add_argument("--rebuild", action="store_true", help="make every layer anew, whatever lock and cache say")
    load = project(command("load", _load, "Load the image into the local Docker."))
    load.add_argument("-t", "--tag", metavar="NAME[:TAG]", help="name of the image [image: of cog.yaml]")
    lock = project(command("lock", _lock, "Resolve everything and write cogpack.lock."))
    lock.add_argument("-U", "--upgrade", action="store_true", help="take the newest of everything, ignoring old pins")
    project(command("schema", _schema, "Print the model's OpenAPI document."))
    inspect = command("inspect", _inspect, "Describe an image of a registry or an OCI layout.")
    inspect.add_argument("target", metavar="REF|DIR")
    verify = project(command("verify", _verify, "Rebuild from the lock and compare with a pushed image."))
    verify.add_argument("target", metavar="REF")
    registry = commands.add_parser("registry", help="A small registry of our own.")
    actions = registry.add_subparsers(metavar="ACTION", required=True)
    serve = actions.add_parser("serve", help="Serve a directory (an OCI layout) as a registry.")
    serve.set_defaults(act=_serve)
    serve.add_argument("directory", type=Path, metavar="DIR")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    serve.add_argument("--port", type=int, default=5000, help="port, 0 for any free one [5000]")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected 1 to 64, found {text!r}")
    return int(text)


def _with_session(arguments: argparse.Namespace, act: Callable[["Session"], str]) -> None:
    """Run `act`, then print the line it answered: after the bars are gone, never among them."""
    from cogpack.commands.session import Session, Settings, default_cache
    from cogpack.console import open_progress
    from cogpack.progress import Cancellation

    environment = dict(os.environ)
    directory = getattr(arguments, "directory", Path())
    in_ci = bool(environment.get("CI")) and environment["CI"].lower() not in ("0", "false")
    settings = Settings(
        directory=directory,
        file=getattr(arguments, "file", "cog.yaml"),
        cache=(arguments.cache_dir or default_cache(environment)).absolute(),
        jobs=getattr(arguments, "jobs", 1),
        insecure_registries=frozenset(arguments.insecure_registry),
        locked=getattr(arguments, "locked", False)
        or (in_ci and arguments.act is not _lock and (directory / "cogpack.lock").exists()),
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


def _text(arguments: argparse.Namespace, result: Any, line: str) -> str:
    """`line` for people, the whole `result` for programs."""
    if not arguments.json:
        return line
    from cogpack.oci import encode

    return encode(result).decode()


def _push(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        _plan(arguments)
        return
    from cogpack.commands.push import push
    from cogpack.console import size_text

    def act(session: "Session") -> str:
        pushed = push(session, arguments.target, rebuild=arguments.rebuild)
        if not arguments.quiet:
            words = sorted({layer.vouched for layer in pushed.layers if layer.vouched})
            session.progress.note(
                f"sent {size_text(pushed.sent)} in {pushed.requests} requests, reused {size_text(pushed.reused)}"
                + (f" (known from {', '.join(words)})" if words else "")
            )
        return _text(arguments, pushed, pushed.reference)

    _with_session(arguments, act)


def _plan(arguments: argparse.Namespace) -> None:
    from cogpack.commands.push import plan
    from cogpack.console import size_text

    def act(session: "Session") -> str:
        layers = plan(session, arguments.target)
        rows = []
        for layer in layers:
            verdict = {True: "moves", False: "there", None: ""}[layer.moves]
            size = size_text(layer.size) if layer.size is not None else "not built yet"
            rows.append(f"{verdict:<6} {size:>14}  {(layer.digest or '')[7:19]:<12}  {layer.name}")
        return _text(arguments, layers, "\n".join(rows))

    _with_session(arguments, act)


def _build(arguments: argparse.Namespace) -> None:
    from cogpack.commands.build import build

    def act(session: "Session") -> str:
        built = build(session, arguments.output, tag=arguments.tag, rebuild=arguments.rebuild)
        return _text(arguments, built, built.reference)

    _with_session(arguments, act)


def _load(arguments: argparse.Namespace) -> None:
    from cogpack.commands.build import load

    def act(session: "Session") -> str:
        built = load(session, tag=arguments.tag)
        return _text(arguments, built, built.reference)

    _with_session(arguments, act)


def _lock(arguments: argparse.Namespace) -> None:
    from cogpack.commands.lock import lock
    from cogpack.commands.prepare import open_project

    def act(session: "Session") -> str:
        project = open_project(session)
        if arguments.locked:
            raise InputError("--locked forbids what cogpack lock does", next_step="leave out --locked")
        made = lock(session, project, upgrade=arguments.upgrade)
        return _text(arguments, made, str(project.root / "cogpack.lock"))

    _with_session(arguments, act)


def _schema(arguments: argparse.Namespace) -> None:
    from cogpack.commands.schema import schema

    _with_session(arguments, lambda session: schema(session).decode())


def _inspect(arguments: argparse.Namespace) -> None:
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


def _verify(arguments: argparse.Namespace) -> None:
    from cogpack.commands.verify import verify

    def act(session: "Session") -> str:
        verified = verify(session, arguments.target)
        return _text(arguments, verified, verified.reference)

    _with_session(arguments, act)


def _serve(arguments: argparse.Namespace) -> None:
    from cogpack.registry.server import Server

    def log(method: str, path: str, received: int, sent: int) -> None:
        print(f"{method} {path.partition('?')[0]} in={received} out={sent}", file=sys.stderr, flush=True)

    with Server(arguments.directory, host=arguments.host, port=arguments.port, on_request=log) as server:
        print(f"serving {arguments.directory} on http://{server.address}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
