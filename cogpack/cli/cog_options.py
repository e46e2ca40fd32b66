"""Options of Cog's commands that mean nothing here, or have another name, are taken all the same, each with a note."""

import argparse
from collections.abc import Sequence
from typing import Any

from cogpack.cli.grammar import Grammar

_MEANINGS = {
    "--debug": "it is -v here, which says what is decided, and -vv, which says each request, too",
    "--no-color": "NO_COLOR=1 does that everywhere",
    "--no-cache": "it is --rebuild here: every layer is made anew, and compared",
    "--separate-weights": "weights are layers of their own anyway",
    "--use-cog-base-image": "cogpack.base of cog.yaml says what the image is made of",
    "--use-cuda-base-image": "CUDA comes from the wheels, or with an image that cogpack.base of cog.yaml names",
    "--precompile": "bytecode is in layers of its own (cogpack.bytecode of cog.yaml)",
    "--strip": "wheels are taken as their publishers made them",
    "--progress": "bars are drawn on a terminal, and lines elsewhere; -q leaves both out",
}
EVERYWHERE = ("--debug", "--no-color")
"""Those of all of Cog's commands, which stand before the command, too."""
_SWITCHES = {
    **dict.fromkeys((*EVERYWHERE, "--no-cache"), True),
    **dict.fromkeys(("--separate-weights", "--use-cog-base-image", "--precompile", "--strip"), False),
}
"""Which Go's flags let have a value all the same, as in `--separate-weights=false`; and whether they do anything."""
OF_RUNS = ("--use-cog-base-image", "--use-cuda-base-image", "--progress")
"""Those that Cog's `run`, `exec`, `train` and `serve` have."""
OF_BUILDS = tuple(option for option in _MEANINGS if option not in EVERYWHERE)


def cog_options(added: Grammar, options: Sequence[str]) -> None:
    """Take `options` of Cog's command."""
    switches = {option: _SWITCHES[option] for option in options if option in _SWITCHES}
    added.switches = {**added.switches, **switches}
    for option in options:
        settings: dict[str, Any] = {"nargs": 0} if option in _SWITCHES else {"metavar": "VALUE"}
        added.add_argument(option, action=_Taken, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings)


class _Taken(argparse.Action):
    """Remembers that it was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,  # noqa: ARG002
        option: str | None = None,
    ) -> None:
        assert option is not None
        match option:
            case "--no-cache":
                namespace.rebuild = True
            case "--debug":
                namespace.debug = True  # a command's own -v would write over a number that stood before it
            case "--no-color":
                namespace.no_color = True
        namespace.of_cog = [*getattr(namespace, "of_cog", ()), f"{option}: {_MEANINGS[option]}"]
