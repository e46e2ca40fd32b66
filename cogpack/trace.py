"""The trace tells what goes on inside to who asks: decisions with `-v`, requests too with `-vv`, both in the file
`COGPACK_LOG`.

There is one trace a process, since threads of every kind speak to it. Off, it costs a comparison: who has something to
tell looks at `TRACE.level` before making a text of it.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cogpack.errors import InputError
from cogpack.patterns import pattern
from cogpack.redaction import redact

DECISIONS = 1
ALL = 2

_LOGIN = pattern(r"(?<=://)[^/@\s]*@")
_QUERY = pattern(r"(\w://[^\s?#]*)[?#](?!\.\.\.)[^\s,;)]*")
_SCHEME = pattern(r"\b(Basic|Bearer) +[A-Za-z0-9+/=._~-]+", re.IGNORECASE)


def scrubbed(text: str) -> str:
    """Return `text` without secrets (`redaction`), and without any login or query of an address."""
    return redact(_SCHEME.sub(r"\1 ***", _QUERY.sub(r"\1?...", _LOGIN.sub("", text))))


class Trace:
    """Hands lines to who listens. `level`: the highest that anybody listens to; 0 when it is off. Thread-safe."""

    def __init__(self) -> None:
        self.level = 0
        self._outlets: list[tuple[int, Callable[[str], None]]] = []
        self._lock = threading.Lock()

    @contextmanager
    def told_to(self, level: int, say: Callable[[str], None]) -> Iterator[None]:
        """Have `say` called with each line of `level` or below it, until the `with` ends."""
        outlet = (level, say)
        with self._lock:
            self._outlets.append(outlet)
            self.level = max(level for level, _ in self._outlets)
        try:
            yield
        finally:
            with self._lock:
                self._outlets.remove(outlet)
                self.level = max((level for level, _ in self._outlets), default=0)

    def decided(self, text: str) -> None:
        """Tell what was chosen, and why: a layer reused, a mirror passed over, a login taken."""
        self._tell(DECISIONS, text)

    def detailed(self, text: str) -> None:
        """Tell a request, or what the user is told anyway."""
        self._tell(ALL, text)

    def _tell(self, level: int, text: str) -> None:
        if level <= self.level:
            clean = scrubbed(text)
            for least, say in tuple(self._outlets):
                if level <= least:
                    say(clean)


TRACE = Trace()


@contextmanager
def log_file(path: Path, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """Open a file that gets a line for each call: time (UTC), seconds since the command began, text. Only its owner may
    read it.

    `InputError` where it can't be written; what can't be written later is lost, and nothing else is.
    """
    try:
        file = open(path, "a", encoding="utf-8", errors="backslashreplace", opener=_private)  # noqa: SIM115 - below
    except OSError as error:
        raise InputError(
            f"COGPACK_LOG: {path}: {error.strerror}", next_step="name a file that can be written, or unset it"
        ) from error
    began = clock()

    def say(text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with suppress(OSError, ValueError):
            file.write(f"{now} {clock() - began:8.3f} {text}\n")
            file.flush()

    try:
        yield say
    finally:
        with suppress(OSError):
            file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
