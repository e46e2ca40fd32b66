"""A command is read, run, and its end told: to people, to programs that asked for JSON, and to a runner of CI."""

import argparse
import contextlib
import signal
import sys
import traceback
from pathlib import Path

from cogpack.cli.parser import read
from cogpack.cli.running import Terminated, noted, project_options
from cogpack.cli.standard_streams import give_up_stdout


def run_words(words: list[str]) -> int:
    """Run one command, and return the process's exit code."""
    as_json = any(word.partition("=")[0] == "--json" for word in words)
    arguments = argparse.Namespace(json=as_json, directory=Path(), file="cog.yaml")
    try:
        arguments = read(words)
        arguments.written = words
        arguments.act(arguments)
    except BrokenPipeError:
        give_up_stdout()
        return 0
    except SystemExit as stop:  # of the grammar: help, the version
        return stop.code if isinstance(stop.code, int) else 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it is ours
        return _failed(error, arguments)
    except BaseException as error:
        from cogpack.progress import Cancelled

        if not isinstance(error, Cancelled):
            raise
        return _failed(error, arguments)
    return 0


def _failed(error: BaseException, arguments: argparse.Namespace) -> int:
    """Tell people, programs and the runner; return the exit code."""
    from cogpack.cli import github, json_output
    from cogpack.cli.excerpts import illustrated, project_root
    from cogpack.errors import CogpackError
    from cogpack.text import printable

    if isinstance(error, CogpackError) and (options := project_options(arguments)):
        from cogpack.cli.typed import tell

        tell(options, error)
    by = error.number if isinstance(error, Terminated) else signal.SIGINT
    failed = json_output.failure(error, by=by, goes_on=getattr(arguments, "goes_on", False))
    if failed.code == "bug":
        say(traceback.format_exc().rstrip())
    root = project_root(arguments.directory, arguments.file)
    if github.is_here():
        say(printable(github.error_line(failed, root)))
        github.report_failure(failed, lambda note: say(printable(github.note_line(note, root))))
    elif failed.code == "interrupted":
        say(failed.message, f"next: {failed.next_step}")
    else:
        said = illustrated(error, root) if isinstance(error, CogpackError) else failed.message
        say(printable(f"error: {said}"), printable(f"next: {failed.next_step}"))
    if arguments.json and not getattr(arguments, "answered", False):
        with contextlib.suppress(OSError):  # nobody reads it: the exit code says the rest
            print(json_output.document(None, noted(arguments), failed), flush=True)
    return failed.exit_code


def say(*lines: str) -> None:
    from cogpack.redaction import redact

    for line in lines:
        print(redact(line), file=sys.stderr)
