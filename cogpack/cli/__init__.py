"""The command line makes one settings value of argv and environment, runs one command, and prints its result.

Results go to standard output, all else to standard error. Commands are imported when they are run, so that `cogpack
--version` answers at once.
"""

import argparse
import contextlib
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cogpack.cli.parser import parser
from cogpack.cli.running import Terminated
from cogpack.cli.streams import give_up_stdout, hold_streams


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the process: the entry point `cogpack`."""
    hold_streams()
    code = run(argv)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        give_up_stdout()
    except OSError as error:  # of what argparse printed: help, the version
        give_up_stdout()
        _say(f"error: standard output: {error.strerror}", "next: give it a place with room")
        code = code or 2
    sys.exit(code)


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the process's exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = argparse.Namespace(json="--json" in words, directory=Path())
    try:
        arguments = parser().parse_args(words)
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
    from cogpack.cli.excerpts import illustrated
    from cogpack.errors import CogpackError
    from cogpack.text import printable

    by = error.number if isinstance(error, Terminated) else signal.SIGINT
    failed = json_output.failure(error, by=by, goes_on=getattr(arguments, "goes_on", False))
    if failed.code == "bug":
        _say(traceback.format_exc().rstrip())
    if github.is_here():
        _say(printable(github.error_line(failed, arguments.directory)))
        github.report_failure(failed)
    elif failed.code == "interrupted":
        _say(failed.message, f"next: {failed.next_step}")
    else:
        said = illustrated(error, arguments.directory) if isinstance(error, CogpackError) else failed.message
        _say(printable(f"error: {said}"), printable(f"next: {failed.next_step}"))
    if arguments.json and not getattr(arguments, "answered", False):
        with contextlib.suppress(OSError):  # nobody reads it: the exit code says the rest
            print(json_output.document(None, getattr(arguments, "noted", ()), failed), flush=True)
    return failed.exit_code


def _say(*lines: str) -> None:
    from cogpack.redaction import redact

    for line in lines:
        print(redact(line), file=sys.stderr)
