"""This module brings a command from its arguments to its one text on standard output."""

import argparse
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from cogpack import __version__
from cogpack.cli.streams import put
from cogpack.errors import CogpackError

if TYPE_CHECKING:
    from cogpack.notes import Note
    from cogpack.progress import Progress
    from cogpack.session import Session

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""


class Answer(NamedTuple):
    """What a command came to: the whole `result` for programs, `line` for people; None where `line` is all of it.

    Without a `line` nothing is printed. `status`: the exit code of a command that hands on another program's; `failed`:
    raised when all is told."""

    result: Any
    line: str | None
    status: int = 0
    failed: CogpackError | None = None


class Terminated(KeyboardInterrupt):
    """Raised of SIGTERM, which a job that is cancelled gets, or SIGHUP of a terminal that is gone: Ctrl-C but for the
    exit code.

    `number`: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def heed_signals() -> None:
    """End as by Ctrl-C from now on. What is ignored, as nohup has it, stays ignored."""

    def terminate(signum: int, frame: object) -> NoReturn:  # noqa: ARG001
        raise Terminated(signum)

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as `main` leaves it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, terminate)


def project_options(arguments: argparse.Namespace) -> str:
    """Give the options that were typed for the project, as a shell reads them; "" where none was."""
    directory, file = str(arguments.directory), arguments.file
    words = [] if directory == "." else [f"-C={directory}"] if directory.startswith("-") else ["-C", directory]
    words += [] if file == "cog.yaml" else [f"-f={file}"] if file.startswith("-") else ["-f", file]
    return shlex.join(words)


def noted(arguments: argparse.Namespace) -> "Sequence[Note]":
    """Give the notes so far, as they are told."""
    notes: Sequence[Note] = getattr(arguments, "noted", ())
    if not (options := project_options(arguments)):
        return notes
    from cogpack.cli.typed import typed_notes

    return typed_notes(options, notes)


def _told_as_typed(arguments: argparse.Namespace, progress: "Progress") -> "Progress":
    if not (options := project_options(arguments)):
        return progress
    from cogpack.cli.typed import Typed

    return Typed(options, progress)


def with_session(arguments: argparse.Namespace, act: Callable[["Session"], Answer]) -> None:
    """Run `act`, then tell the runner, then print what it came to: after the bars are gone, never among them."""
    from cogpack.cli import github
    from cogpack.console import Live, open_progress
    from cogpack.notes import Code, Note
    from cogpack.policy import rules
    from cogpack.progress import Cancellation
    from cogpack.result_files import check_result, is_stream
    from cogpack.session import Session, Settings

    _share_one_heap()
    settings = Settings(
        directory=arguments.directory,
        file=arguments.file,
        cache=arguments.cache_dir,
        jobs=arguments.jobs,
        insecure_registries=frozenset(arguments.insecure_registry),
        insecure_credentials=frozenset(arguments.insecure_credentials),
        realms=frozenset(arguments.allow_realm) if arguments.strict_realm or arguments.allow_realm else None,
        registry_mirrors=tuple(arguments.registry_mirror),
        foreign_hosts=frozenset(getattr(arguments, "allow_foreign", ())),
        locked=arguments.locked,
        offline=arguments.offline,
        in_ci=False if getattr(arguments, "locks", False) else None,
        paranoid=arguments.paranoid,
        environment=os.environ,
        platforms=tuple(arguments.made_for or ()),
        labels=tuple(arguments.label),
        annotations=tuple(arguments.annotation),
        git=arguments.git,
        isolation=arguments.isolation,
        secrets=dict(arguments.secret),
        openapi_schema=arguments.openapi_schema,
        outputs=tuple(
            path for name in ("digest_file", "metadata_file", "html") if (path := getattr(arguments, name, None))
        ),
        notes=rules(arguments.deny, arguments.allow, where="--deny and --allow"),
    )
    cancellation = Cancellation()
    heed_signals()
    late: CogpackError | None = None
    with (
        open_progress(
            cancellation,
            quiet=arguments.quiet or arguments.json,
            colours=not getattr(arguments, "no_color", False),
            told=_note_line(arguments),
        ) as progress,
        traced(arguments.written, _verbosity(arguments), os.environ, progress.debug),
        Session(settings, _told_as_typed(arguments, progress), cancellation) as session,
    ):
        arguments.noted = session.notes.all
        arguments.watched = isinstance(progress, Live)
        for text in getattr(arguments, "of_cog", ()):
            session.progress.note(Note(Code.COG_OPTION, text))
        if html := getattr(arguments, "html", None):
            check_result(html)
        answer = act(session)
        if html and not is_stream(html):
            session.progress.summary(f"the page is written: {html}")
        if _made_image(arguments, answer):
            github.report(answer.result, noted(arguments), session.progress.note)
        try:
            session.notes.check()
        except CogpackError as error:  # what is done is done, and told
            late = error
    if late and (options := project_options(arguments)):
        from cogpack.cli.typed import tell

        tell(options, late)
    _tell(arguments, answer, late)
    if failed := late or answer.failed:
        raise failed
    if answer.status:
        raise SystemExit(answer.status)


def _verbosity(arguments: argparse.Namespace) -> int:
    verbose: int = arguments.verbose
    return max(verbose, 1) if getattr(arguments, "debug", False) else verbose


def _note_line(arguments: argparse.Namespace) -> "Callable[[Note], str]":
    from cogpack.cli import github
    from cogpack.console import lines

    if not github.is_here():
        return lines.noted
    from cogpack.cli.excerpts import project_root

    root = project_root(arguments.directory, arguments.file)
    return lambda note: github.note_line(note, root)


def _tell(arguments: argparse.Namespace, answer: Answer, late: CogpackError | None) -> None:
    """Write the files that were asked for, print."""
    from cogpack.cli import json_output
    from cogpack.redaction import redact_result
    from cogpack.text import visible

    result, line = answer.result, answer.line
    if _made_image(arguments, answer):
        text = json_output.document(result, noted(arguments))
        json_output.write_files(result, arguments.digest_file, arguments.metadata_file, text)
    if arguments.json and result is not None:
        line = json_output.document(result, noted(arguments), json_output.failure(late) if late else None)
        arguments.answered = True
    elif result is not None and line is not None:
        line = visible(redact_result(line))
    if line is not None:
        put(f"{line}\n")


def _made_image(arguments: argparse.Namespace, answer: Answer) -> bool:
    """Whether it is what a push or a build came to, and no plan of one."""
    planned = getattr(arguments, "dry_run", False)
    return "metadata_file" in arguments and answer.result is not None and not planned


@contextlib.contextmanager
def traced(
    written: Sequence[str], verbose: int, environment: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[None]:
    """Tell what goes on inside: to `say` with -v or -vv, and to the file that `COGPACK_LOG` names, all of it.

    `written`: the arguments of the command.
    """
    from cogpack.trace import ALL, TRACE, log_file

    with contextlib.ExitStack() as outlets:
        if verbose:
            outlets.enter_context(TRACE.told_to(min(verbose, ALL), say))
        if path := environment.get("COGPACK_LOG"):
            write = outlets.enter_context(log_file(Path(path)))
            outlets.enter_context(TRACE.told_to(ALL, write))
        if TRACE.level:
            import platform

            TRACE.decided(f"cogpack {__version__}, Python {platform.python_version()}, {platform.platform()}")
            TRACE.decided(f"arguments: {' '.join(written)}")
        try:
            yield
        except CogpackError as error:
            if TRACE.level:
                TRACE.detailed(f"error: {error.message}; next: {error.next_step}")
            raise


def _share_one_heap() -> None:
    """glibc gives every thread a heap of its own, and each keeps what its blocks once took: a third of our memory."""
    import ctypes

    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
