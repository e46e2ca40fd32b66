"""docs/json.md has every field of every command's result: its tables are written from the types themselves."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from json_tables import COMMON, RESULTS, json_page, meanings, rows

from cogpack.cli.grammar import Grammar
from cogpack.cli.json_output import SCHEMA_VERSION
from cogpack.cli.parser import parser
from cogpack.commands.results import CheckName

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "json.md").read_text()


def _leaves(found: Grammar, words: str = "") -> Iterator[tuple[str, Grammar]]:
    for name, below in found.commands.items():
        path = f"{words} {name}".strip()
        yield from _leaves(below, path) if below.commands else [(path, below)]


def test_every_command_that_prints_json_is_known_here() -> None:
    printing = {words for words, found in _leaves(parser()) if "--json" in found.options()}
    assert printing == set(RESULTS)


def test_the_tables_are_those_of_the_types() -> None:
    assert json_page(DOCUMENT) == DOCUMENT, "write it: python scripts/write_reference.py"


@pytest.mark.parametrize("command", RESULTS)
def test_every_field_of_a_command_is_in_its_section_with_its_meaning(command: str) -> None:
    found = meanings(DOCUMENT, command)
    assert list(found) == list(rows(RESULTS[command]))
    assert [name for name, meaning in found.items() if not meaning.strip()] == []


def test_what_doctor_may_look_at_is_listed() -> None:
    listed = re.findall("`([^`]+)`", meanings(DOCUMENT, "doctor")["checks[].name"])
    assert listed == list(get_args(CheckName))


def test_a_field_that_is_new_or_gone_is_so_in_the_page() -> None:
    row = "| `tags` | list of text | HOST/NAME:TAG of all that name the image now |\n"
    gone = DOCUMENT.replace(row, "| `tugs` | text | pulled |\n", 1)
    assert gone != DOCUMENT
    written = json_page(gone)
    assert "tugs" not in written
    assert written == DOCUMENT.replace(row, "| `tags` | list of text |  |\n", 1)


def test_the_document_has_the_fields_that_all_commands_have() -> None:
    assert all(meanings(DOCUMENT, COMMON).values())
    assert f"`schema_version` is {SCHEMA_VERSION}" in DOCUMENT


@pytest.mark.parametrize("command", RESULTS)
def test_one_thing_has_one_name(command: str) -> None:
    """Ours are in snake_case; what the OCI specs name has their spelling, whoever uses it."""
    for name in rows(RESULTS[command]):
        last = name.rpartition(".")[2]
        assert last in ("mediaType", "artifactType") or re.fullmatch("[a-z][a-z0-9_]*", last), name
        assert last not in ("media_type", "diffId", "diffID"), name
