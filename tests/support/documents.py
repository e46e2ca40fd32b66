"""The documents for people: their code blocks, the lines of shell in them, and the commands of ours in these."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|[\s(|;&])cogpack [a-z]")
_OPERATORS = "();|&<>"


def blocks(document: Path, *languages: str) -> list[str]:
    return [text for language, text in _FENCED.findall(document.read_text(encoding="utf-8")) if language in languages]


def lines(document: Path) -> Iterator[str]:
    """Each line of shell with a command of ours in a block, fenced or indented, without its prompt."""
    text = document.read_text(encoding="utf-8")
    shell = [*blocks(document, "sh"), *_INDENTED.findall(_FENCED.sub("", text))]
    shown = "\n".join(blocks(document, "console", ""))
    found = "\n".join([*shell, *re.findall(r"^\$ (.*)", shown, re.MULTILINE)]).replace("\\\n", " ")
    yield from (line.strip().removeprefix("$ ") for line in found.splitlines() if re.search(_COMMAND, line))


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command of ours in a line of shell, those behind `cogpack`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    words: list[str] | None = None
    for token in lexer:
        if set(token) <= set(_OPERATORS):
            if words is not None:
                yield words
            words = None
        elif words is not None:
            words.append(token)
        elif token == "cogpack":
            words = []
    if words is not None:
        yield words


def spans(document: Path) -> Iterator[str]:
    """What is written as code within a line and begins with `cogpack`."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    yield from (" ".join(span.split()) for span in re.findall(r"`(cogpack [^`]+)`", text))
