"""What a command writes is told line by line, without secrets; its last lines are kept for who says why it failed."""

import re
from collections import deque
from collections.abc import Callable, Iterable

from cogpack.sandbox.capture.secrets import OutputRedactor

_TOLD = 40
"""Lines of a failed command's output that its error repeats."""
_LINE = 4 * 1024
"""Bytes of a line that are held back for its end; a longer one is told in pieces."""
_REPEATED = 500
"""Letters of a line that an error repeats."""
_CHATTER = re.compile(r"(?:copying|hard linking) \S+ -> \S+|creating \S+|adding '[^']+'|byte-compiling \S+ to \S+")
"""What setuptools says of each file: hundreds of lines, before the few that tell why it failed."""
_FRAME = re.compile(r'  File "[^"]*/(?:(?:dist-packages|python3\.\d+)/[^"]*|front_end\.py)", line \d+, in ')
_OF_FRAME = " " * 4
"""A call in a traceback that is none of the source's own, and what begins the lines of it that follow. torch's build of
extensions is forty lines deep, below what the compiler says."""


class Said:
    """Hands on what a command writes to `tell`. `last`: the last lines; where a source is built (`of_a_source`),
    without what is said of each file, and of each call of others."""

    def __init__(
        self, tell: Callable[[str], None], secrets: Iterable[bytes] = (), *, of_a_source: bool = False
    ) -> None:
        self._tell_line = tell
        self._redactor = OutputRedactor(secrets)
        self._of_a_source = of_a_source
        self._in_frame = False
        self._line = b""
        self.last: deque[str] = deque(maxlen=_TOLD)

    def hear(self, block: bytes) -> None:
        self._take(self._redactor.feed(block))

    def end(self) -> None:
        self._take(self._redactor.end())
        if self._line:
            self._tell(self._line)

    def _take(self, block: bytes) -> None:
        *lines, self._line = (self._line + block).split(b"\n")
        for line in lines:
            self._tell(line)
        while len(self._line) > _LINE:
            self._tell(self._line[:_LINE])
            self._line = self._line[_LINE:]

    def _tell(self, line: bytes) -> None:
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
        repeated = text[:_REPEATED]
        if not (self._of_a_source and self._is_passed_over(repeated)):
            self.last.append(repeated)
        self._tell_line(text)

    def _is_passed_over(self, line: str) -> bool:
        self._in_frame = bool(_FRAME.match(line)) or (self._in_frame and line.startswith(_OF_FRAME))
        return self._in_frame or bool(_CHATTER.fullmatch(line))
