"""`cogpack schema` prints the model's document, or says what changed in it."""

import argparse
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session
from cogpack.cli.streams import is_read_by_a_person
from cogpack.errors import MismatchError

if TYPE_CHECKING:
    from cogpack.session import Session


def schema(arguments: argparse.Namespace) -> None:
    if arguments.check:
        _check(arguments)
        return
    from cogpack.commands.schema import schema

    def act(session: "Session") -> Answer:
        document = schema(session)
        shown = _indented(document) if is_read_by_a_person() and not arguments.compact else document
        return Answer(None, shown.decode())

    with_session(arguments, act)


def _indented(document: bytes) -> bytes:
    import msgspec

    return msgspec.json.format(document, indent=2)


def _check(arguments: argparse.Namespace) -> None:
    from cogpack.cli.difference import model_lines
    from cogpack.commands.schema import check_schema
    from cogpack.text import lines

    def act(session: "Session") -> Answer:
        found = check_schema(session, arguments.check)
        breaks = MismatchError(
            f"who calls the model by {arguments.check} may fail, or understand it otherwise",
            next_step="see above; give the old names and kinds back, or tell callers",
        )
        told = (
            lines(model_lines(found.changes)) or f"calls by {arguments.check} go on working: nothing changed for them"
        )
        return Answer(found, told, failed=breaks if found.breaking else None)

    with_session(arguments, act)
