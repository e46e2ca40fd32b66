"""What `cogpack` exports: each name is there, typed, documented, and loaded by nobody but its user."""

import ast
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cogpack

ROOT = Path(__file__).resolve().parents[1]


def typed() -> dict[str, str]:
    """What type checkers see: names, each with its module."""
    (block,) = (
        node
        for node in ast.parse(Path(cogpack.__file__).read_text()).body
        if "TYPE_CHECKING:" in ast.unparse(node)[:20]
    )
    assert isinstance(block, ast.If)
    found = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {name.name: str(node.module) for node in found for name in node.names}


def test_what_type_checkers_see_is_what_there_is() -> None:
    names = typed()
    assert sorted(names) == sorted(cogpack.__all__)
    for name, module in names.items():
        assert getattr(cogpack, name) is getattr(import_module(module), name)


def test_no_name_is_a_module_too() -> None:
    """It would be one or the other, by what was imported before."""
    assert not {module.name for module in pkgutil.iter_modules(cogpack.__path__)} & set(cogpack.__all__)


def test_importing_it_loads_nothing() -> None:
    program = "import sys; before = set(sys.modules); import cogpack; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['cogpack']\n"


def test_each_is_in_the_documentation() -> None:
    words = set(re.findall(r"[A-Za-z_]+", (ROOT / "docs" / "library.md").read_text(encoding="utf-8")))
    assert set(cogpack.__all__) <= words


def test_a_name_that_there_is_not_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'pusch'"):
        _ = cogpack.pusch  # type: ignore[attr-defined]
    assert set(cogpack.__all__) <= set(dir(cogpack))
