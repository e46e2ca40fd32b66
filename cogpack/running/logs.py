"""What a model says is told from how its server writes it down: the lines of coglet's console log. What is known to be
secret is left out: a model may say what it was given by `-e`."""

import re
from collections.abc import Callable

from cogpack.redaction import redact_result

_LINE = re.compile(
    rb"\d{4}-\d\d-\d\dT[\d:.]+Z +INFO coglet::(?:user|setup|prediction): (?P<text>.*?)"
    rb"(?P<id> prediction_id=\S+)?(?: source=Std(?:out|err)| predict_time=.*)?"
)
_OWN = (b"Starting prediction", b"Prediction worker completed")
"""What the server says of each prediction."""


class ServerLines:
    """Hands on a server's lines, as they are but for secrets."""

    def __init__(self, say: Callable[[bytes], object]) -> None:
        self._say = say
        self._rest = b""

    def hear(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            self._tell(line, b"\n")

    def end(self) -> None:
        if self._rest:
            self._tell(self._rest, b"")
        self._rest = b""

    def _tell(self, line: bytes, end: bytes) -> None:
        text = redact_result(line.decode("utf-8", "surrogateescape"))
        self._say(text.encode("utf-8", "surrogateescape") + end)


class SaidLines(ServerLines):
    """Hands on a server's lines, those of its model as the model wrote them."""

    def _tell(self, line: bytes, end: bytes) -> None:
        found = _LINE.fullmatch(line)
        if not (found and found["id"] and found["text"] in _OWN):
            super()._tell(found["text"] if found else line, end)
