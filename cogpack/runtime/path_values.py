"""Which paths expressions of a model's sources are, as far as literals tell: read by `ast`, never run."""

import ast
import posixpath
from collections import Counter
from collections.abc import Sequence

from cogpack.runtime.contract import WORKING_DIRECTORY

_DEEPEST = 20
_LONGEST = 4096
"""Characters (PATH_MAX of Linux)."""
_SAME = frozenset({"absolute", "expanduser", "resolve"})
_WHOLE = frozenset({"abspath", "normpath", "realpath"})
_WORKING = frozenset({"cwd", "getcwd"})
_OS = {"os": "os", "os.path": "os.path", "posixpath": "os.path"}


class PathValues:
    """Knows the names of one file that are bound once, by an assignment. `path`: of the file, relative to the
    project's root."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._file = f"{WORKING_DIRECTORY}/{path}"
        self._times: Counter[str] = Counter()  # how often something binds each name
        self._assigned: dict[str, ast.expr] = {}
        self._modules = {"os": "os"}  # names under which the file has `os` and `os.path`
        self._values: dict[str, str | None] = {}
        for node in ast.walk(tree):
            self._bind(node)

    def _bind(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                self._times[name] += 1
            case ast.Assign(targets=targets, value=value):
                self._assigned |= {target.id: value for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                if value is None:
                    self._times[name] -= 1  # a declaration, which binds nothing
                else:
                    self._assigned[name] = value
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                of = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in aliases:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._times[name] += 1
                    module = _OS.get(of + alias.name)
                    if module and (alias.asname or "." not in alias.name):
                        self._modules[name] = module
            case (
                ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                self._times[name] += 1

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
                    bound = self._assigned.get(name) if self._times[name] == 1 else None
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
                return self._added(values, deeper)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.of(value, deeper)
            case ast.Call(func=ast.Attribute(attr="join", value=value), args=args) if self._is_os_path(value):
                return self._joined(args, deeper)
            case ast.Call(func=ast.Attribute(attr="expanduser" | "Path") | ast.Name(id="Path"), args=args):
                return self._joined(args, deeper)
            case ast.Call(func=ast.Name(id="str"), args=[arg]):
                return self.of(arg, deeper)
        return None

    def _is_os_path(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="path"):
                return self._modules.get(name) == "os"
            case ast.Name(id=name):
                return self._modules.get(name) == "os.path" and self._times[name] == 1
        return False

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
