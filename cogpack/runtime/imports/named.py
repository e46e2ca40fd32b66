"""Whether a call of a Python file names a directory, and so may bring it: one that fetches, clones or unpacks does."""

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence

from cogpack.runtime.contract import WORKING_DIRECTORY
from cogpack.runtime.imports.of_file import is_path, methods_of, name_of
from cogpack.runtime.schema.source import parsed

_BETWEEN = re.compile(r"[\s'\"=:,;&|<>()]+")
"""What stands between the words of a command."""
_ARCHIVE = re.compile(r"\.(?:git|7z|zip|t[abgx]z2?|tar(?:\.\w+)?)\Z")
_TELLS = frozenset({"Input", "critical", "debug", "error", "exception", "info", "log", "print", "warn", "warning"})
"""Functions whose text is for people, as is that of an exception."""
_FOR_PEOPLE = frozenset({"description", "help"})


def named_by_call(data: bytes, path: str, directories: Sequence[str]) -> tuple[int, str]:
    """Give the line of a call that has a word which names one of `directories`, of the project, or what that lies in;
    0 where none has. What only puts it on Python's path is none."""
    directories = [
        directory for directory in directories if any(name.encode(errors="ignore") in data for name in _ends(directory))
    ]
    tree = parsed(data, path) if directories else None
    if tree is None:
        return 0, ""
    for text, line in _Texts(tree).given():
        words = {text, *_BETWEEN.split(text)}
        for directory in directories:
            if any(_names(word, directory) for word in words):
                return line, directory
    return 0, ""


def _ends(directory: str) -> tuple[str, str]:
    return directory.partition("/")[0], posixpath.basename(directory)


def _names(word: str, directory: str) -> bool:
    """Tell whether it is a path within the directory, or an archive called like that."""
    archive = posixpath.basename(word)
    if _ARCHIVE.search(archive) and _ARCHIVE.sub("", archive) in _ends(directory):
        return True
    inside = posixpath.normpath(f"./{word.removeprefix(f'{WORKING_DIRECTORY}/')}")
    return inside.partition("/")[0] == _ends(directory)[0]


class _Texts:
    """Finds the literals that calls are given, by the names that they are bound to, too."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._bound: dict[str, list[ast.expr]] = {}
        paths = [node for node in ast.walk(tree) if _is_for_path(node)]
        within = {id(inner) for node in paths for inner in ast.walk(node)}
        loaded: set[str] = set()
        loaded_for_path: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bound.setdefault(name_of(target), []).append(value)
                case (
                    ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value)
                ):
                    self._bound.setdefault(name_of(target), []).append(value)
                case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()):
                    (loaded_for_path if id(node) in within else loaded).add(name_of(node))
                case ast.arguments(args=args, posonlyargs=before, kwonlyargs=named):
                    both = [*before, *args]
                    for argument, default in zip(reversed(both), reversed(node.defaults), strict=False):
                        self._bound.setdefault(argument.arg, []).append(default)
                    for argument, value_or_none in zip(named, node.kw_defaults, strict=True):
                        if value_or_none is not None:
                            self._bound.setdefault(argument.arg, []).append(value_or_none)
        self._bound.pop("", None)
        self._passed = {id(node) for node in paths} | {
            id(value) for name in loaded_for_path - loaded for value in self._bound.get(name, ())
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                self._passed |= {id(inner) for inner in methods_of(node) if _goes_there(inner)}

    def given(self) -> Iterator[tuple[str, int]]:
        """Give each with the line of its call."""
        left_over: list[tuple[ast.AST, int]] = [(self._tree, 0)]
        followed: set[str] = set()
        while left_over:
            node, line = left_over.pop()
            if id(node) in self._passed:
                continue
            match node:
                case ast.Constant(value=str(text)) if line:
                    yield text, line
                case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) if line and name_of(node) not in followed:
                    followed.add(name_of(node))
                    left_over += ((value, line) for value in self._bound.get(name_of(node), ()))
                case ast.keyword(arg=str(name)) if name in _FOR_PEOPLE:
                    continue
                case ast.Call(func=function):
                    name = name_of(function)
                    line = 0 if name in _TELLS or name.endswith(("Error", "Exception")) else node.lineno
            left_over += ((inner, line) for inner in ast.iter_child_nodes(node))


def _goes_there(node: ast.AST) -> bool:
    """Tell what wants a directory to be there, and brings none."""
    return isinstance(node, ast.Call) and name_of(node.func) == "chdir"


def _is_for_path(node: ast.AST) -> bool:
    """Tell what changes Python's path, or looks whether something is in it."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            return is_path(value) or name == "addsitedir"
        case ast.Call(func=ast.Name(id="addsitedir")):
            return True
        case ast.AugAssign(target=target) | ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            return is_path(target.value if isinstance(target, ast.Subscript) else target)
        case ast.Compare(comparators=[other]):
            return is_path(other)
    return False
