"""What a model says is told from how its server writes it down: the lines of coglet's console log. What is known to be
secret is left out: a model may say what it was given by `-e`."""

import re
from collections.abc import Callable

from cogpack.redaction import redact_log

_LINE = re.compile(
    rb"\d{4}-\d\d-\d\dT[\d:.]+Z +INFO coglet::(?:user|setup|prediction): (?P<text>.*?)"
    rb"(?P<id> prediction_id=\S+)?(?: source=Std(?:out|err)| predict_time=.*)?"
)
_OWN = (b"Starting prediction", b"Prediction worker completed")
"""What the server says of each prediction."""

_LONGEST = 1 << 20
"""Bytes of a line after which it is handed on in pieces."""
_HELD = 8 * 1024
"""Bytes at the end of a piece that wait for the next: a secret may have begun there."""


class ServerLines:
    """Hands on a server's lines, as they are but for secrets."""

    def __init__(self, say: Callable[[bytes], object]) -> None:
        self._say = say
        self._rest = bytearray()

    def hear(self, block: bytes) -> None:
        self._rest += block
        if b"\n" in block:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                self._tell(line, b"\n")
        if len(self._rest) > _LONGEST:
            self._tell_piece()

    def end(self) -> None:
        if self._rest:
            self._tell(bytes(self._rest), b"")
        self._rest.clear()

    def _tell_piece(self) -> None:
        """Hand on most of a line that has not ended, cut where that cuts no secret, if there is such a place."""
        text = bytes(self._rest)
        places = (len(text) - _HELD * number for number in (1, 2, 3))
        cut = next((at for at in places if _parts(text[at - _HELD : at], text[at : at + _HELD])), len(text))
        del self._rest[:cut]
        self._tell(text[:cut], b"")

    def _tell(self, line: bytes, end: bytes) -> None:
        self._say(_shown(line) + end)


def _parts(before: bytes, after: bytes) -> bool:
    """Tell whether a line may be cut between both: nothing that is hidden begins in one and ends in the other."""
    return _shown(before) + _shown(after) == _shown(before + after)


def _shown(line: bytes) -> bytes:
    return redact_log(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


class SaidLines(ServerLines):
    """Hands on a server's lines, those of its model as the model wrote them."""

    def _tell(self, line: bytes, end: bytes) -> None:
        found = _LINE.fullmatch(line)
        if not (found and found["id"] and found["text"] in _OWN):
            super()._tell(found["text"] if found else line, end)
