"""`cogpack`: argv and environment to one settings value, one command, one line of result.

Results go to standard output, all else to standard error. Commands are imported when they are run, so that
`cogpack --version` answers at once.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from cogpack import __version__
from cogpack.cli.parser import parser
from cogpack.cli.running import Terminated
from cogpack.errors import CogpackError


def main(argv: Sequence[str] | None = None) -> NoReturn:
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the process's."""
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        arguments = parser().parse_args(words)
        arguments.written = words
    except CogpackError as error:
        return _refused(error)
    from cogpack.progress import Cancelled

    try:
        arguments.act(arguments)
    except CogpackError as error:
        return _refused(error)
    except (KeyboardInterrupt, Cancelled) as stop:
        _say("interrupted", "next: run it again; what is finished is not done again")
        return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 - whatever it is, it is ours
        _say(
            traceback.format_exc(),
            "error: this is a bug of cogpack",
            f"next: report it ({__version__}), with these lines",
        )
        return 1
    return 0


def _refused(error: CogpackError) -> int:
    from cogpack.console import printable

    _say(printable(f"error: {error.message}"), printable(f"next: {error.next_step}"))
    return error.exit_code


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
