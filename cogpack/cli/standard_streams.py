"""This module holds the three streams that a process is born with, or without: cron, daemons and `2>&-` close them,
disks fill up.

What is opened next would get the number of a closed one, and a blob would have our messages in it. So each number is
taken here first. It imports what Python has loaded by then and nothing else: `--version` is told after it.
"""

import errno
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, TextIO


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
        sys.stdout = Closed()
    sys.stderr = _Forgiving(sys.stderr or open(2, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def give_up_stdout() -> None:
    """Lose what is still to be written there, so that the interpreter's end does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Closed(io.TextIOBase):
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

    def __init__(self, stream: "TextIO") -> None:
        self._stream = stream

    @property
    def buffer(self) -> "BinaryIO":
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str, /) -> int:
        try:  # noqa: SIM105 - contextlib is not loaded yet
            self._stream.write(text)
        except (OSError, ValueError):
            pass
        return len(text)

    def flush(self) -> None:
        try:  # noqa: SIM105
            self._stream.flush()
        except (OSError, ValueError):
            pass
