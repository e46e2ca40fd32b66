"""Patterns that are compiled late are patterns all the same."""

import ast
import copy
import pickle
import re
from importlib import import_module
from pathlib import Path

import pytest

import cogpack
from cogpack.patterns import pattern

ROOT = Path(cogpack.__file__).parent
MODULES = sorted(
    ".".join(("cogpack", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if "import pattern\n" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_each_is_one_that_can_be_compiled(name: str) -> None:
    module = import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    made = [
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "pattern"
    ]
    assert made
    for one in made:
        assert re.compile(getattr(module, one).pattern, getattr(module, one).flags)


def test_it_answers_as_a_compiled_one() -> None:
    later, now = pattern(r"(?P<first>a)(b)?", re.IGNORECASE), re.compile(r"(?P<first>a)(b)?", re.IGNORECASE)
    for _ in range(2):
        assert (later.pattern, later.flags, later.groups, later.groupindex) == (now.pattern, now.flags, 2, {"first": 1})
        assert later.sub("-", "xAby") == now.sub("-", "xAby") == "x-y"
        assert [found.span() for found in later.finditer("AaB")] == [found.span() for found in now.finditer("AaB")]
        assert later.fullmatch("abc") is None
    assert pattern(rb"a+").split(b"xaay") == [b"x", b"y"]


@pytest.mark.parametrize("asked", [False, True])
def test_it_can_be_copied_and_sent(asked: bool) -> None:
    later = pattern("a+")
    if asked:
        assert later.search("a")
    for other in (copy.copy(later), copy.deepcopy(later), pickle.loads(pickle.dumps(later))):
        assert (other.pattern, other.findall("xaay")) == ("a+", ["aa"])


def test_a_name_that_no_pattern_has_is_none_of_it() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'matches'"):
        _ = pattern("a").matches  # type: ignore[attr-defined]
    assert not hasattr(pattern("a"), "__wrapped__")
