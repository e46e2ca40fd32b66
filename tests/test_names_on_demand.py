"""Packages whose names are loaded when they are asked for: type checkers and programs see the same ones."""

import ast
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import cogpack

ROOT = Path(cogpack.__file__).parent
PACKAGES = sorted(path for path in ROOT.rglob("__init__.py") if "on_demand(" in path.read_text(encoding="utf-8"))


def typed(path: Path) -> dict[str, str]:
    """What type checkers see: names, each with its module."""
    (block,) = (
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        name.name: str(node.module) for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names
    }


def test_there_are_some() -> None:
    assert len(PACKAGES) >= 7


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_what_type_checkers_see_is_what_there_is(path: Path) -> None:
    package = import_module(".".join(["cogpack", *path.parent.relative_to(ROOT).parts]))
    names = typed(path)
    assert sorted(names) == sorted(package.__all__)
    for name, module in names.items():
        assert getattr(package, name) is getattr(import_module(module), name)
    assert not names.keys() & {module.name for module in pkgutil.iter_modules(package.__path__)}, "one or the other"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing
