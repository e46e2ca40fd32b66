"""Which paths expressions of a model's sources are, as far as literals tell: read by `ast`, never run."""

import ast
import posixpath
from collections.abc import Sequence

from cogpack.runtime.contract import WORKING_DIRECTORY

_DEEPEST = 20
_LONGEST = 4096
"""Characters (PATH_MAX of Linux)."""
_SAME = frozenset({"absolute", "expanduser", "resolve"})
_WHOLE = frozenset({"abspath", "normpath", "realpath"})
_WORKING = frozenset({"cwd", "getcwd"})


class PathValues:
    """Knows the names of one file that are bound once. `path`: of the file, relative to the project's root."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._file = f"{WORKING_DIRECTORY}/{path}"
        self._bound: dict[str, ast.expr | None] = {}  # None: bound more than once, or by a call or loop
        self._values: dict[str, str | None] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            self._bound[target.id] = None if target.id in self._bound else value
                case ast.arg(arg=name) | ast.For(target=ast.Name(id=name)):
                    self._bound[name] = None

    def of(self, node: ast.expr, depth: int = 0) -> str | None:
        """Give the path, relative to the working directory unless it begins with a slash or "~"; None of what is
        none, or is known only when the code runs."""
        if depth > _DEEPEST:
            return None
        deeper = depth + 1
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return self._file
            case ast.Name(id=name):
                if name not in self._values:
                    bound = self._bound.get(name)
                    self._values[name] = None if bound is None else self.of(bound, deeper)
                return self._values[name]
            case ast.Attribute(value=value, attr="parent"):
                return self._parent(value, 1, deeper)
            case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=int(number))):
                return self._parent(value, number + 1, deeper)
            case ast.Call(func=ast.Attribute(attr=name), args=[]) if name in _WORKING:
                return WORKING_DIRECTORY
            case ast.Call(func=ast.Attribute(attr="dirname"), args=[value]):
                return self._parent(value, 1, deeper)
            case ast.Call(func=ast.Attribute(attr=name), args=[value]) if name in _WHOLE:
                found = self.of(value, deeper)
                return None if found is None else posixpath.normpath(posixpath.join(WORKING_DIRECTORY, found))
            case ast.Call(func=ast.Attribute(attr=name, value=value), args=[]) if name in _SAME:
                return self.of(value, deeper)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._joined([left, right], deeper)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._added([left, right], deeper)
            case ast.JoinedStr(values=values):
                return self._added(
                    [value.value if isinstance(value, ast.FormattedValue) else value for value in values], deeper
                )
            case ast.Call(func=ast.Attribute(attr="join" | "expanduser" | "Path") | ast.Name(id="Path"), args=args):
                return self._joined(args, deeper) if args else None
            case ast.Call(func=ast.Name(id="str"), args=[arg]):
                return self.of(arg, deeper)
        return None

    def _parent(self, node: ast.expr, times: int, depth: int) -> str | None:
        found = self.of(node, depth)
        if found is None or times > _DEEPEST:
            return None
        for _ in range(times):
            found = posixpath.dirname(found)
        return found

    def _joined(self, nodes: Sequence[ast.expr], depth: int) -> str | None:
        texts = self._all(nodes, depth)
        return posixpath.join(*texts) if texts else None

    def _added(self, nodes: Sequence[ast.expr], depth: int) -> str | None:
        texts = self._all(nodes, depth)
        return "".join(texts) if texts else None

    def _all(self, nodes: Sequence[ast.expr], depth: int) -> list[str]:
        """Give those of all `nodes`, or none where one is not known."""
        texts = [self.of(node, depth) for node in nodes]
        known = [text for text in texts if text is not None]
        return known if len(known) == len(texts) and sum(map(len, known)) <= _LONGEST else []
