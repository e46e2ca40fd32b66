"""This module lists the commands that run something over the files of an image."""

from argparse import PARSER

from cogpack.cli import containers
from cogpack.cli.grammar import Grammar
from cogpack.cli.options import CONNECTION, IMAGE, OUTPUT, PROJECT, STORED, variables

_MARKS = ("--label", "--annotation", "--git", "--paranoid")
"""What makes another image, or digest, and no difference to what is run."""


def add_containers(top: Grammar) -> None:
    execute = top.command(
        "exec", "Run a command over the image's files, in the project.", containers.execute,
        example="cogpack exec python -c 'import torch'",
    )  # fmt: skip
    execute.add_argument("command", nargs=PARSER, metavar="CMD", help="the command, and all that follows it")
    execute.add_argument("--of", metavar="REF|DIR", help=f"of this image, not of the project: {STORED}")
    variables(execute)
    execute.share(PROJECT, IMAGE, OUTPUT, CONNECTION, without=(*_MARKS, "--json"))
