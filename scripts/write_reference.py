"""Writes docs/reference/ from the code: commands with their options, keys of cog.yaml, variables, exit codes; and the
tables of docs/json.md and docs/notes.md.

    python scripts/write_reference.py

tests/cli/test_written_reference.py holds the pages to what this writes.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from json_tables import json_page

from cogpack.cli.grammar import Grammar
from cogpack.cli.helping import EXIT_CODES
from cogpack.cli.options import TOPICS
from cogpack.cli.parser import parser
from cogpack.cli.variables import GROUPS
from cogpack.config.json_schema import config_keys
from cogpack.notes import Code

PLACE = Path(__file__).resolve().parents[1] / "docs" / "reference"
_WRITTEN = "Written by `scripts/write_reference.py` from the code.\n"


def commands_page() -> str:
    top = parser()
    leaves = list(_leaves(top))
    rows = [(f"[`{leaf.prog}`](#{leaf.prog.replace(' ', '-')})", leaf.description or "") for leaf in leaves]
    lines = ["# Commands", "", _WRITTEN, "`cogpack help COMMAND` says the same on a terminal.", ""]
    lines += [*_table(("command", "does"), rows), ""]
    for leaf in leaves:
        lines += [f"## {leaf.prog}", "", leaf.description or "", "", "```text"]
        lines += [leaf.format_usage().strip().removeprefix("usage: "), "```", "", f"Example: `{leaf.example}`", ""]
        own = [action for action in leaf.own() if action.help != argparse.SUPPRESS]
        lines += [*_table(("argument", "is"), map(_row, own)), ""] if own else []
        if leaf.shared:
            shared = (f"[{name}](#options-{name}): {_names(actions)}" for name, actions in leaf.shared.items())
            lines += [*(f"- {one}" for one in shared), ""]
    for topic in TOPICS.values():
        page = Grammar(prog="cogpack", add_help=False)
        page.share(topic)
        lines += [f"## Options: {topic.name}", "", topic.text, ""]
        lines += [*_table(("option", "is"), map(_row, page.shared[topic.name])), ""]
    return "\n".join(lines)


def _leaves(grammar: Grammar) -> Iterator[Grammar]:
    for command in grammar.commands.values():
        if command.commands:
            yield from _leaves(command)
        else:
            yield command


def _row(action: argparse.Action) -> tuple[str, str]:
    value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
    names = [f"`{name}{value}`" for name in action.option_strings] or [f"`{value.strip()}`"]
    return ", ".join(names), action.help or ""


def _names(actions: Iterable[argparse.Action]) -> str:
    return ", ".join(f"`{action.option_strings[-1]}`" for action in actions)


def keys_page() -> str:
    lines = ["# Keys of cog.yaml", "", _WRITTEN]
    lines += [
        "`cogpack help cog.yaml [KEY]` says the same on a terminal; editors take [the schema](../cog.schema.json)."
    ]
    lines += ["Keys below `cogpack` are ours, and Cog ignores them."]
    return "\n".join(
        [*lines, "", *_table(("key", "is"), ((f"`{key}`", told) for key, told in config_keys().items())), ""]
    )


def variables_page() -> str:
    lines = ["# Environment variables", "", _WRITTEN, "`cogpack help variables` says the same on a terminal.", ""]
    for name, group in GROUPS.items():
        lines += [
            f"## {name}",
            "",
            *_table(("variable", "is"), ((f"`{key}`", told) for key, told in group.items())),
            "",
        ]
    return "\n".join(lines)


def exit_codes_page() -> str:
    rows = ((str(code), told) for code, told in EXIT_CODES.items())
    lines = ["# Exit codes", "", _WRITTEN, "`cogpack help exit-codes` says the same on a terminal. With `--json`,"]
    return "\n".join(
        [*lines, "`error.code` says it in a word ([JSON](../json.md)).", "", *_table(("code", "means"), rows), ""]
    )


def notes_page(page: str) -> str:
    """Write the table of codes of the page, its end, anew."""
    above = page.partition("| code | what was found |\n")[0]
    rows = ((f"`{code.value}`", code.meaning) for code in Code)
    return "\n".join([above.rstrip("\n"), "", *_table(("code", "what was found"), rows), ""])


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> list[str]:
    found = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return [f"| {' | '.join(head)} |", "|---|---|", *(f"| {row} |" for row in found)]


PAGES = {
    "commands.md": commands_page,
    "cog-yaml.md": keys_page,
    "variables.md": variables_page,
    "exit-codes.md": exit_codes_page,
}
TABLES = {"json.md": json_page, "notes.md": notes_page}
"""By the page of docs/: how its tables are written anew."""


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    for name, made in PAGES.items():
        (PLACE / name).write_text(made(), encoding="utf-8")
    for name, written in TABLES.items():
        page = PLACE.parent / name
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
