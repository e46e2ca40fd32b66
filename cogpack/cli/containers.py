"""Each function here runs one of the commands that start containers: arguments in, what ran there out."""

import argparse
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session
from cogpack.cli.streams import input_descriptor, put_bytes, say_bytes

if TYPE_CHECKING:
    from cogpack.session import Session


def execute(arguments: argparse.Namespace) -> None:
    from cogpack.commands.execute import execute
    from cogpack.sandbox.run import Streams

    def act(session: "Session") -> Answer:
        command: list[str] = arguments.command
        status = execute(
            session,
            command[1:] if command[0] == "--" else command,
            image=arguments.of,
            environment=dict(arguments.env),
            streams=Streams(put_bytes, say_bytes, input_descriptor()),
        )
        return Answer(None, None, status)

    with_session(arguments, act)
