"""`cogpack weights ...`: one function an action."""

import argparse
from typing import TYPE_CHECKING

from cogpack.cli.acts import layer_rows, weight_rows
from cogpack.cli.running import text, with_session

if TYPE_CHECKING:
    from cogpack.commands.session import Session


def list_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.plan import plan

    def act(session: "Session") -> str:
        found = plan(session, arguments.targets, tags=arguments.tag).weights_only()
        rows = weight_rows(found.weights) + layer_rows(found.layers)
        return text(arguments, found, "\n".join(rows) or "no weights")

    with_session(arguments, act)


def split_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.weights import split

    def act(session: "Session") -> str:
        made = split(session, arguments.source, arguments.output, size=arguments.layer_size)
        return text(arguments, made, f"{made.directory}: {len(made.files) - 1} shards and {made.files[-1]}")

    with_session(arguments, act)


def join_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.weights import join

    def act(session: "Session") -> str:
        made = join(session, arguments.source, arguments.output)
        return text(arguments, made, str(arguments.output))

    with_session(arguments, act)


def verify_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.contents import verify_weights

    def act(session: "Session") -> str:
        checked = verify_weights(session, arguments.target, arguments.against)
        rows = [f"equal  {file.path} ({f'{file.tensors} tensors' if file.tensors else file.how})" for file in checked]
        return text(arguments, checked, "\n".join(rows))

    with_session(arguments, act)


def pull_weights(arguments: argparse.Namespace) -> None:
    from cogpack.commands.pull_weights import pull_weights
    from cogpack.console import size_text
    from cogpack.oci import Platform

    platform = Platform.parse(arguments.platform) if arguments.platform else None

    def act(session: "Session") -> str:
        pulled = pull_weights(session, arguments.target, arguments.output, platform=platform)
        return text(arguments, pulled, f"{pulled.directory}: {len(pulled.files)} files, {size_text(pulled.size)}")

    with_session(arguments, act)
