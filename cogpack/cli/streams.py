"""This module holds the three streams that a process is born with, or without: cron, daemons and `2>&-` close them,
disks fill up.

What is opened next would get the number of a closed one, and a blob would have our messages in it. So each number is
taken here first. What goes to standard error is never worth an end; what goes to standard output was asked for.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO

from cogpack.errors import InputError
from cogpack.text import harmless


def hold_streams() -> None:
    """Give the null device to 0, 1 and 2 where they are closed, and Python its streams.

    Writing to a standard output that was closed stays an error, so that no result is lost without a word.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)  # the lowest free number: those below are taken
            assert opened == number
            os.set_inheritable(number, True)  # noqa: FBT003 - else a program that we start has the same trouble
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = _Closed()
    sys.stderr = _Forgiving(sys.stderr or open(2, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


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
    if isinstance(sys.stdout, _Closed):
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


def give_up_stdout() -> None:
    """Lose what is still to be written there, so that the interpreter's end does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Closed(io.TextIOBase):
    """Stands for standard output that was closed before we began. What is written is missed when it is flushed."""

    def __init__(self) -> None:
        self._missed = False

    def write(self, text: str, /) -> int:
        self._missed = True
        return len(text)

    def flush(self) -> None:
        if self._missed:
            self._missed = False
            raise OSError(errno.EBADF, "it was closed")

    def fileno(self) -> int:
        return 1


class _Forgiving(io.TextIOBase):
    """Stands for standard error that may be a full disk, or a terminal that is gone: what can't be said is not said."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def buffer(self) -> BinaryIO:
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str, /) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()
