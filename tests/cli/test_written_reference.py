"""docs/reference is what scripts/write_reference.py makes of the code, and its variables are those that are read."""

import ast
import re
from pathlib import Path

import pytest
import write_reference as writing

from cogpack.cli import run
from cogpack.cli.variables import COGS, GROUPS, OURS, all_variables

ROOT = Path(__file__).parents[2]
WRITTEN_BY_US = {
    *(
        "COG_LOG_LEVEL",
        "COG_MAX_CONCURRENCY",
        "COG_PREDICT_TYPE_STUB",
        "COG_TRACE_CONFIGURED",
        "COG_TRAIN_TYPE_STUB",
    ),  # into containers
    "COG_WEIGHTS",  # what -e gives to a container
    *("COGPACK_GIT_USER", "COGPACK_GIT_PASSWORD"),  # for git's helper
    "COG_TOOLS",  # no variable: packages
}


@pytest.mark.parametrize("name", writing.PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs/reference" / name).read_text(encoding="utf-8")
    assert written == writing.PAGES[name](), "write it: python scripts/write_reference.py"


@pytest.mark.parametrize("name", writing.TABLES)
def test_the_tables_of_a_page_are_what_the_code_says(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert writing.TABLES[name](page) == page, "write it: python scripts/write_reference.py"


def test_every_variable_of_ours_and_of_cog_that_the_code_names_is_told_and_every_told_one_is_named() -> None:
    named = set()
    for path in (ROOT / "cogpack").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "inside" in path.parts or path.name == "variables.py":
            continue
        found = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
        named |= {word for word in found if isinstance(word, str)}
    own = {word for word in named if re.fullmatch(r"(?:COGPACK|COG)_[A-Z_]+", word)}
    own -= {"COGPACK_REGISTRY_"}  # what the names of a host's begin with
    assert own - WRITTEN_BY_US == OURS.keys() | COGS.keys()
    assert {name for name in dict(all_variables()) if "<" not in name} <= named
    assert sum(map(len, GROUPS.values())) == len(dict(all_variables()))


def test_the_variables_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "variables"]) == 0
    assert "COGPACK_CACHE_DIR" in capsys.readouterr().out
