"""docs/faults.md and the tests agree: tests that rows name are there, and rows that tests carry name them."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCUMENT = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")

ROWS = re.findall(r"^\| ([A-Z]\d+) \| .+ \| (.+) \|$", DOCUMENT, re.MULTILINE)
"""Each with its cell of tests."""
NAMED = re.compile(r"`(test_\w+)::(test_\w+)(\*?)`")
TEST = re.compile(r'^def (test_\w+)\((?:.|\n)*?\) -> None:\n(?: +r?"""((?:.|\n)*?)""")?', re.MULTILINE)
"""A test at the top of its module, and its docstring."""
IN_NAME = re.compile(r"test_((?:[fpa]\d+_)+)")
IN_DOCSTRING = re.compile(r"[FPA]\d+(?:, [FPA]\d+)*(?=[.:;])")


def carried(module: str, test: str, text: str) -> frozenset[str]:
    """The rows in a test's name and at the beginning of its docstring; elsewhere that may be of another list."""
    name, docstring = IN_NAME.match(test), IN_DOCSTRING.match(text if f"`{module}::" in DOCUMENT else "")
    return frozenset(
        (name[1].upper().split("_")[:-1] if name else []) + (docstring[0].split(", ") if docstring else [])
    )


CARRIED = {
    (path.stem, test): carried(path.stem, test, text)
    for path in sorted(TESTS.rglob("test_*.py"))
    for test, text in TEST.findall(path.read_text(encoding="utf-8"))
}
"""Every test, by its module and its name, and the rows that it carries."""


def meant(module: str, name: str, star: str) -> set[tuple[str, str]]:
    return {test for test in CARRIED if test[0] == module and (test[1].startswith(name) if star else test[1] == name)}


def test_every_row_is_there_once_and_in_its_place() -> None:
    assert [row for row, _ in ROWS] == [f"{group}{n + 1}" for group, rows in (("F", 42), ("P", 26), ("A", 13))
                                        for n in range(rows)]  # fmt: skip


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`[^`]*::[^`]*`", DOCUMENT)
    assert [text for text in named if not (found := NAMED.fullmatch(text)) or not meant(*found.groups())] == []


@pytest.mark.parametrize(("row", "cell"), ROWS, ids=[row for row, _ in ROWS])
def test_a_row_names_tests_and_all_that_carry_it(row: str, cell: str) -> None:
    """A name that is cut short is of one test, or of tests that carry the row."""
    named = [meant(*words) for words in NAMED.findall(cell)]
    assert named
    assert [tests for tests in named if len(tests) > 1 and not all(row in CARRIED[test] for test in tests)] == []
    assert {test for test, rows in CARRIED.items() if row in rows} <= set().union(*named)


def test_tests_carry_only_rows_that_there_are() -> None:
    assert frozenset().union(*CARRIED.values()) <= {row for row, _ in ROWS}
