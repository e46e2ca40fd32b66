"""Each function here runs one command of `cogpack weights`."""

import argparse
from typing import TYPE_CHECKING

from cogpack.cli.plan_text import layer_rows, weight_rows
from cogpack.cli.running import Answer, with_session
from cogpack.errors import NoProjectError
from cogpack.text import lines

if TYPE_CHECKING:
    from cogpack.session import Session


def list_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.plan import plan

    def act(session: "Session") -> Answer:
        try:
            found = plan(session, *arguments.targets, tags=arguments.tag).weights_only()
        except NoProjectError as error:
            if arguments.targets:  # an image was meant
                error.next_step = f"{error.next_step}; of an image, cogpack inspect {arguments.targets[0]} tells"
            raise
        rows = weight_rows(found.weights) + layer_rows(found.layers)
        return Answer(found, lines(rows) or "no file of the project is a weight")

    with_session(arguments, act)


def split_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.split_weights import split
    from cogpack.text import count_text

    def act(session: "Session") -> Answer:
        made = split(session, arguments.source, arguments.output, size=arguments.layer_size)
        shards = count_text(len(made.files) - 1, "shard")
        return Answer(made, f"{made.directory}: {shards} and {made.files[-1]}")

    with_session(arguments, act)


def join_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.split_weights import join

    def act(session: "Session") -> Answer:
        made = join(session, arguments.source, arguments.output)
        return Answer(made, str(arguments.output))

    with_session(arguments, act)


def verify_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.verify_weights import Compared, verify_weights
    from cogpack.text import count_text

    def act(session: "Session") -> Answer:
        checked = verify_weights(session, arguments.target, arguments.against)
        how = [count_text(file.tensors, "tensor") if file.tensors else file.how for file in checked]
        rows = [f"equal  {file.path} ({told})" for file, told in zip(checked, how, strict=True)]
        return Answer(Compared(files=tuple(checked)), lines(rows))

    with_session(arguments, act)


def pull_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.pull_weights import pull_weights
    from cogpack.text import count_text, size_text

    def act(session: "Session") -> Answer:
        pulled = pull_weights(session, arguments.target, arguments.output, platform=arguments.platform)
        files = count_text(len(pulled.files), "file")
        return Answer(pulled, f"{pulled.directory}: {files}, {size_text(pulled.size)}")

    with_session(arguments, act)
