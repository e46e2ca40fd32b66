"""Each function here runs one of `cogpack help`, `version` and `completion`. `top`: the grammar of all of cogpack."""

import argparse

from cogpack import __version__
from cogpack.cli.grammar import Grammar, table, topic_page
from cogpack.cli.options import TOPICS as OPTIONS
from cogpack.cli.streams import put
from cogpack.errors import InputError
from cogpack.text import nearest

CONFIG = "cog.yaml"
TOPICS = ("exit-codes", "variables", CONFIG)
"""What is explained besides commands and their options."""
SHELLS = ("bash", "zsh", "fish")
EXIT_CODES = {
    0: "done",
    1: "a bug of cogpack",
    2: "change what you wrote",
    3: "what is pinned and what was found differ",
    4: "credentials",
    5: "a server or the network failed; the same command may work later",
    6: "a model that was run failed, in its setup or a prediction",
    129: "interrupted by the end of its terminal (SIGHUP)",
    130: "interrupted by Ctrl-C",
    143: "interrupted by SIGTERM",
}


def show_help(top: Grammar, arguments: argparse.Namespace) -> None:
    from cogpack.cli.suggestions import unknown_command

    words: list[str] = arguments.words
    if words[:1] == [CONFIG]:
        _show_config(words[1:], as_schema=arguments.schema)
        return
    if arguments.schema:
        raise InputError(f"--schema: expected beside {CONFIG}", next_step=f"cogpack help {CONFIG} --schema")
    if words == ["exit-codes"]:
        put("\n".join(table((str(code), text) for code, text in EXIT_CODES.items())) + "\n")
        return
    if words == ["variables"]:
        from cogpack.cli.variables import all_variables

        put("\n".join(table(all_variables())) + "\n")
        return
    if len(words) == 1 and words[0] in OPTIONS:
        put(topic_page(OPTIONS[words[0]]))
        return
    found = top
    for word in words:
        if word not in found.commands:
            raise unknown_command(found, word)
        found = found.commands[word]
    put(found.format_help())


def _show_config(keys: list[str], *, as_schema: bool) -> None:
    """Tell of all keys of a cog.yaml, or of those at and below each of `keys`; `as_schema`: for editors."""
    from cogpack.config.json_schema import config_keys, schema_text

    if as_schema and not keys:
        put(schema_text())
        return
    told = config_keys()
    for wanted in keys:
        if as_schema or wanted not in told:
            near = nearest(wanted, told)
            raise InputError(
                f"cogpack help {CONFIG} {wanted:.80}: " + ("--schema is of all keys" if as_schema else "no such key"),
                next_step=f"see cogpack help {CONFIG}" + (f" {near}" if near else ""),
            )
    shown = [key for key in told if not keys or any(f"{key}.".startswith(f"{wanted}.") for wanted in keys)]
    put("\n".join(table((key, told[key]) for key in shown)) + "\n")


def show_version(arguments: argparse.Namespace) -> None:  # noqa: ARG001
    put(f"cogpack {__version__}\n")


def show_completion(top: Grammar, arguments: argparse.Namespace) -> None:
    import shtab

    _complete_paths(top, shtab.FILE, shtab.DIRECTORY)
    put(shtab.complete(top, shell=arguments.shell))


def _complete_paths(parser: Grammar, files: object, directories: object) -> None:
    """Have paths completed, as files or as directories only."""
    for action in parser.own() + [action for made in parser.shared.values() for action in made]:
        kinds = set(str(action.metavar).replace(".tar", "").split("|"))
        if kinds & {"DIR", "FILE"}:
            action.complete = directories if kinds == {"DIR"} else files  # type: ignore[attr-defined]
    for command in parser.commands.values():
        _complete_paths(command, files, directories)
