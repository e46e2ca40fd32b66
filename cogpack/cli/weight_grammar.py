"""The grammar of `cogpack weights`."""

from cogpack.cli.grammar import Acts, Grammar
from cogpack.cli.options import (
    CONNECTION,
    OUTPUT,
    PROJECT,
    PUSHED,
    STORED,
    connections,
    place,
    size,
    targets,
    which_image,
)

weight_acts = Acts("weights")


def add_weights(top: Grammar) -> None:
    weights = top.command("weights", "Show, split, join, compare and pull weights.")

    ls = weights.command(
        "ls",
        "List the project's weights, how each is split, what a push moves.",
        weight_acts.list_weights,
        example="cogpack weights ls",
    )
    targets(ls, "where a push goes, which is asked what it has")
    ls.share(PROJECT, OUTPUT, CONNECTION)

    split = weights.command(
        "split",
        "Split a safetensors or GGUF file as for an image.",
        weight_acts.split_weights,
        example="cogpack weights split model.safetensors -o shards",
    )
    split.add_argument("source", type=place, metavar="FILE", help="a .safetensors or .gguf file")
    split.add_argument("-o", "--output", type=place, required=True, metavar="DIR", help="a new directory")
    split.add_argument("--layer-size", type=size, metavar="SIZE", help="what to split to, as in 500MB [by the size]")
    split.share(OUTPUT)

    join = weights.command(
        "join",
        "Make one file again of the parts of a safetensors or GGUF file.",
        weight_acts.join_weights,
        example="cogpack weights join shards -o model.safetensors",
    )
    join.add_argument("source", type=place, metavar="DIR|INDEX", help="the parts, or the index that names them")
    join.add_argument("-o", "--output", type=place, required=True, metavar="FILE", help="a new file")
    join.share(OUTPUT)

    check = weights.command(
        "verify",
        "Compare an image's weights with files, whole or tensor by tensor.",
        weight_acts.verify_weights,
        example=f"cogpack weights verify {PUSHED} --against model",
    )
    check.add_argument("target", metavar="REF|DIR", help=STORED)
    check.add_argument("--against", type=place, required=True, metavar="FILE|DIR", help="the files to compare with")
    check.share(OUTPUT, CONNECTION)

    pull = weights.command(
        "pull",
        "Pull the weights of an image, and nothing else of it.",
        weight_acts.pull_weights,
        example=f"cogpack weights pull {PUSHED} -o weights",
    )
    pull.set_defaults(goes_on=True)
    pull.add_argument("target", metavar="REF|DIR", help=STORED)
    pull.add_argument("-o", "--output", type=place, required=True, metavar="DIR", help="a new directory")
    which_image(pull)
    connections(pull)
    pull.share(OUTPUT, CONNECTION)
