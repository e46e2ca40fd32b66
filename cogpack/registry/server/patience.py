"""How long clients of the server are waited for, and how many of them at a time: nobody's to choose but a test's."""

import msgspec


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Describes what clients may take, in numbers and seconds.

    `connections`: at a time; one that receives a body quickly holds a mebibyte. `grace`: seconds that a request may
    keep us waiting before its rate counts; `rate`: bytes a second that it must move on average, if others are to wait
    for its place; `look`: seconds between two looks at who has become slow. `linger`: seconds that the rest of a
    refused body may take, so that the connection lives on.

    `uploads`: open ones; each holds a file. `idle`: seconds after which an untouched one may make room for a new one,
    when there are too many; `forgotten`: after which it ends in any case; `turn`: to wait for an earlier request of the
    same upload, whose client may have gone unnoticed.
    """

    connections: int = 128
    grace: float = 10.0
    rate: int = 4096
    look: float = 1.0
    linger: float = 10.0
    uploads: int = 256
    idle: float = 60.0
    forgotten: float = 3600.0
    turn: float = 30.0


PATIENCE = Patience()
