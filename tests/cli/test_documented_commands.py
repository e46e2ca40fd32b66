"""Commands in README and docs are lines that our parser takes, blocks of a cog.yaml can be pasted into one, and links
lead to a heading that is there."""

import re
import tomllib

import pytest
from support.documents import DOCUMENTS, ROOT, blocks, commands, lines, spans

from cogpack.cli.parser import parser
from cogpack.config.parse import parse_config
from cogpack.errors import InputError

NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
_OF_COG = re.compile(r"^(?:build|cogpack|model|image|weights|run|predict|train|environment):", re.MULTILINE)
_SYNOPSIS = re.compile(r"\[|\.\.\.|…")


def taken(words: list[str]) -> bool:
    """Help, and a word with commands below it, end otherwise."""
    if words and words[-1] in parser().commands and parser().commands[words[-1]].commands:
        return True
    try:
        return callable(parser().parse_args(words).act)
    except SystemExit as stop:
        return stop.code == 0


def wrong(words: list[str]) -> str:
    """What is wrong with a command that a sentence names, which may lack its arguments."""
    try:
        return "" if taken(words) else "no command"
    except InputError as error:
        return "" if re.search(r"missing|expected one argument|found 'N'", error.message) else error.message


@pytest.mark.parametrize("document", NAMES)
def test_every_line_with_a_command_of_ours_is_taken_by_the_parser(document: str) -> None:
    for line in lines(ROOT / document):
        for words in commands(line):
            if not _SYNOPSIS.search(" ".join(words)):
                assert taken(words), line


@pytest.mark.parametrize("document", NAMES)
def test_every_command_that_is_named_in_a_sentence_is_one(document: str) -> None:
    for span in spans(ROOT / document):
        if _SYNOPSIS.search(span):
            continue
        for words in commands(span.replace("|", " ")):
            assert not wrong(words), span


@pytest.mark.parametrize("document", NAMES)
def test_every_block_of_a_cog_yaml_can_be_pasted_into_one(document: str) -> None:
    for block in blocks(ROOT / document, "yaml"):
        if _OF_COG.search(block):
            assert [note for note in parse_config(block.encode()).notes if "key" in note.code] == [], block


def test_the_documents_have_commands() -> None:
    assert sum(1 for path in DOCUMENTS for line in lines(path) for _ in commands(line)) > 50
    assert sum(1 for path in DOCUMENTS for block in blocks(path, "yaml") if _OF_COG.search(block)) > 10


def anchors(text: str) -> set[str]:
    """Anchors of headings, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    ):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("document", [*NAMES, "CHANGELOG.md"])
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(document: str) -> None:
    path = ROOT / document
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if ":" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def test_the_description_of_the_package_leads_to_no_file() -> None:
    """Where packages are shown there are none."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["readme"]["text"]
    assert re.findall(r"\]\((?!https://)[^)]*\)", told) == []


def test_the_index_of_the_docs_names_every_page() -> None:
    index = ROOT / "docs/index.md"
    named = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)\)", index.read_text())}
    assert named == {path for path in DOCUMENTS if path.is_relative_to(ROOT / "docs")} - {index}
