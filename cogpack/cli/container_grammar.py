"""This module lists the commands that run something over the files of an image."""

from argparse import PARSER

from cogpack.cli.cog_options import OF_RUNS, cog_options
from cogpack.cli.grammar import Acts, Grammar
from cogpack.cli.options import (
    CONNECTION,
    CONTAINER,
    IMAGE,
    OUTPUT,
    PROJECT,
    STORED,
    model,
    place,
    port,
    published,
    seconds,
    variables,
)

containers = Acts("containers")

_MARKS = ("--label", "--annotation", "--git", "--paranoid")
"""What makes another image, or digest, and no difference to what is run."""


def add_containers(top: Grammar) -> None:
    execute = top.command(
        "exec", "Run a command over the image's files, in the project.", containers.execute,
        example="cogpack exec python -c 'import torch'",
    )  # fmt: skip
    execute.add_argument("command", nargs=PARSER, metavar="CMD", help="the command, and all that follows it")
    execute.add_argument("--of", metavar="REF|DIR", help=f"of this image, not of the project: {STORED}")
    execute.add_argument(
        "-p", "--publish", action="append", default=[], type=published, metavar="[ADDRESS:]PORT",
        help="a port that it listens on, under --runtime; repeatable",
    )  # fmt: skip
    variables(execute)
    cog_options(execute, OF_RUNS)
    execute.share(PROJECT, IMAGE, CONTAINER, OUTPUT, CONNECTION, without=(*_MARKS, "--json"))

    run = top.command(
        "run", "Ask the model for one prediction.", containers.run,
        example="cogpack run -i prompt='a frog' -i image=@frog.png",
    )  # fmt: skip
    _runs(run)
    _predicts(run)
    _model(run)

    predict = top.command(
        "predict", "The same as run.", containers.run, example="cogpack predict -i text=x", minor=True
    )
    _runs(predict)
    _predicts(predict)
    _model(predict)

    train = top.command(
        "train",
        "Train the model.",
        containers.train,
        example="cogpack train -i steps=100 -o weights.bin",
        minor=True,
    )
    _runs(train)
    _model(train)

    serve = top.command("serve", "Serve the model over HTTP.", containers.serve, example="cogpack serve -p 8393")
    serve.add_argument("-p", "--port", type=port, default=8393, metavar="PORT", help="port, 0 for any free one [8393]")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on [127.0.0.1]")
    serve.add_argument("--playground", action="store_true", help="and a page to try it with, for browsers here")
    text = "where the model's server puts files that the model gives, instead of into its answer"
    serve.add_argument("--upload-url", metavar="URL", help=text)
    _model(serve)


def _runs(command: Grammar) -> None:
    command.add_argument(
        "-i", "--input", action="append", default=[], metavar="NAME=VALUE|@FILE",
        help="an input; a list is given by its items; repeatable",
    )  # fmt: skip
    command.add_argument("-o", "--output", type=place, metavar="FILE", help="what the model gives, into this file")


def _predicts(command: Grammar) -> None:
    """Add what `cog predict` has besides. `--json` with a value is the inputs there, and the whole answer printed."""
    command.given = {"--json": "--inputs"}
    command.add_argument("--inputs", metavar="JSON|@FILE|@-", help="all inputs, as one object")
    text = "$REPLICATE_API_TOKEN in the model's context"
    command.add_argument("--use-replicate-token", action="store_true", help=text)
    command.switches = {"--use-replicate-token": True}


def _model(command: Grammar) -> None:
    """Add what the commands have in common that start a model's server."""
    command.add_argument(
        "image", nargs="?", default=".", type=model, metavar="REF|DIR", help=f"{STORED}; or a project [.]"
    )
    variables(command)
    cog_options(command, OF_RUNS)
    command.add_argument(
        "--setup-timeout", type=seconds, default=300, metavar="SECONDS", help="for the model's setup [300]"
    )
    command.share(PROJECT, IMAGE, CONTAINER, OUTPUT, CONNECTION, without=_MARKS)
