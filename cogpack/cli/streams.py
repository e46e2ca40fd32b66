"""What a command says goes through here: what goes to standard error is never worth an end; what goes to standard
output was asked for."""

import sys
from contextlib import suppress

from cogpack.cli.standard_streams import Closed, give_up_stdout
from cogpack.errors import InputError
from cogpack.text import harmless


def put(text: str) -> None:
    """Print what was asked for. `InputError` where standard output does not take it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up_stdout()
        raise _no_room(error) from None


def put_bytes(block: bytes) -> None:
    """Hand on what another program writes to standard output, as it comes; errors as of `put`."""
    sys.stdout.flush()
    if isinstance(sys.stdout, Closed):
        put("?")
    try:
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up_stdout()
        raise _no_room(error) from None


def is_read_by_a_person() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout.isatty()


def put_text(text: str) -> None:
    """Print what a model gave: as it is, but for what would command a terminal."""
    if is_read_by_a_person():
        put(harmless(text))
    else:
        put_bytes(text.encode("utf-8", "surrogatepass"))


def say_bytes(block: bytes) -> None:
    """Hand on what another program writes to standard error."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
        sys.stderr.buffer.write(block)
        sys.stderr.buffer.flush()


def input_descriptor() -> int | None:
    """Return the descriptor of standard input, None where there is none."""
    try:
        return sys.stdin.fileno()
    except (OSError, ValueError):
        return None


def _no_room(error: OSError) -> InputError:
    return InputError(f"standard output: {error.strerror}", next_step="give it a place with room")
