"""The command line makes one settings value of argv and environment, runs one command, and prints its result.

Results go to standard output, all else to standard error. Modules are imported by who needs them: the version is told
before the grammar is there, and a command imports its act when it is run.
"""

import gc
import sys

from cogpack import __version__
from cogpack.cli.standard_streams import give_up_stdout, hold_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_YOUNG = 150_000
"""Objects after which cycles are looked for: by Python's 700, forty times while modules are loaded, for nothing. A push
of nothing new has 70,000."""
_VERSION = ["--version"]


def main(argv: "Sequence[str] | None" = None) -> "NoReturn":
    """Run the process: the entry point `cogpack`."""
    gc.set_threshold(_YOUNG)
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # a program, which loads rich where there is click
    hold_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    if words != _VERSION:
        _end_at_ctrl_c()
    code = run(words)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        give_up_stdout()
    except OSError as error:  # of what argparse printed: help, the version
        from cogpack.cli.program import say

        give_up_stdout()
        say(f"error: standard output: {error.strerror}", "next: give it a place with room")
        code = code or 2
    gc.freeze()  # or Python looks through all modules for cycles three times before it ends: 0.1 s of a push
    sys.exit(code)


def _end_at_ctrl_c() -> None:
    """Have Ctrl-C end the loading of modules without a word of Python's."""
    import signal  # its enums take as long as all that the version loads

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(argv: "Sequence[str] | None" = None) -> int:
    """Run one command, and return the process's exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words == _VERSION:
        sys.stdout.write(f"cogpack {__version__}\n")
        return 0
    from cogpack.cli.program import run_words

    return run_words(words)
