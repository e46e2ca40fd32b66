"""What one Python file imports whenever it is imported itself, and what it does to where modules are found.

An import counts that nothing stands around: not those in functions, classes, `if`, loops, and in a `try` that goes on
without them. So what is left out is never told, and what is told fails for sure where the module is not there.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from cogpack.patterns import pattern
from cogpack.runtime.schema.source import parsed

_SPECIAL = pattern(
    rb"\bsys\s*\.\s*(?:path|modules|meta_path|path_hooks)\b|\bfrom\s+sys\s+import\b|\baddsitedir\b|__path__"
    rb"|\b(?:pip3?|conda|mamba|easy_install)\b|\bgit\b[^\n]{0,20}\bclone\b"
    rb"|\bsys\s+as\b|=\s*sys\s*(?:[;#\r\n]|\Z)|\bgetattr\s*\(\s*sys\b"
)
"""Words of a file that has to be read whole."""
_WORDS = (b"sys", b"addsitedir", b"__path__", b"pip", b"conda", b"mamba", b"easy_install", b"clone")
"""One of them is in each of these: looked for first, since that is quick."""
_BODY = pattern(rb"^(?:def|class|async\s+def|@)[^\n]*\n(?:(?:[ \t#)\]}\r\f][^\n]*)?\n)*", re.MULTILINE)
"""A function, class or decorator at the left margin, with the lines that belong to it."""
_CAUGHT = frozenset({"BaseException", "Exception", "ImportError", "ModuleNotFoundError"})
_FOUND = frozenset({"append", "extend", "insert"})
_FINDS = frozenset({"path", "modules", "meta_path", "path_hooks"})
"""What of `sys` says where modules are found."""
_WORD = pattern(r"[\w.-]+")
_VERBS = {"install": frozenset({"pip", "conda", "mamba"}), "clone": frozenset({"git"})}
"""What brings modules, with the programs of which it is a word."""
_STARTS = frozenset(
    {
        *("call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell", "getoutput"),
        *("getstatusoutput", "main", "popen", "Popen", "run", "run_command", "system"),
    }
)


class Import(msgspec.Struct, frozen=True, order=True):
    """Is an import at `path:line:column`. `module`: as it is written, with its leading dots; `names`: those of a
    `from module import names`, each a module in it or anything else."""

    path: str
    line: int
    column: int
    module: str
    names: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"

    @property
    def level(self) -> int:
        return len(self.module) - len(self.module.lstrip("."))


class FileImports(msgspec.Struct, frozen=True):
    """Is what a file says. `directories`: absolute, which it puts on Python's path; `given`: modules that it puts in
    place itself; `open`: what it does that makes anything possible, "" where it doesn't."""

    imports: tuple[Import, ...]
    directories: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    open: str = ""


def imports_of(data: bytes, path: str) -> FileImports | None:
    """Read a file; None where it can't be."""
    if not any(word in data for word in _WORDS) or not _SPECIAL.search(data):
        tree = _margin(data, path) or parsed(data, path)
        return None if tree is None else FileImports(tuple(_imports(tree, path)))
    tree = parsed(data, path)
    if tree is None:
        return None
    special = _Special(tree, path)
    return FileImports(tuple(_imports(tree, path)), tuple(special.directories), tuple(special.given), special.open)


def _margin(data: bytes, path: str) -> ast.Module | None:
    """Parse the file without its functions and classes, which takes a tenth of the time; None where it is not clear
    what belongs to them, as a text that begins or ends among them."""
    unclear = False

    def without(found: re.Match[bytes]) -> bytes:
        nonlocal unclear
        body = found[0]
        unclear = unclear or body.count(b'"""') % 2 == 1 or body.count(b"'''") % 2 == 1
        return b"\n" * body.count(b"\n")

    shorter = _BODY.sub(without, data if data.endswith(b"\n") else data + b"\n")
    return None if unclear else parsed(shorter, path)


def _imports(tree: ast.Module, path: str) -> Iterator[Import]:
    for statement in _certain(tree.body):
        match statement:
            case ast.Import(names=names):
                yield from (Import(path, alias.lineno, alias.col_offset + 1, alias.name) for alias in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                found = tuple(alias.name for alias in names if alias.name != "*")
                yield Import(path, statement.lineno, statement.col_offset + 1, "." * level + (module or ""), found)


def _certain(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements that are run in any case, one after the other, until one fails."""
    for statement in body:
        match statement:
            case ast.Try(body=tried, handlers=handlers, finalbody=last):
                if not any(_goes_on(handler.type) for handler in handlers):
                    yield from _certain(tried)
                yield from _certain(last)
            case ast.With(items=items, body=inner):
                if all(_is_for_warnings(item.context_expr) for item in items):
                    yield from _certain(inner)
            case _:
                yield statement


def _goes_on(caught: ast.expr | None) -> bool:
    """Tell whether a handler may be for a module that is not there; of a class of somebody's own nobody knows."""
    match caught:
        case ast.Tuple(elts=elements):
            return any(_goes_on(element) for element in elements)
        case ast.Name(id=name):
            return name in _CAUGHT or not name.endswith("Error")
    return True


def _is_for_warnings(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) == "catch_warnings"


class _Special:
    """Reads all of a file for what changes how modules are found. What a method of a class does comes too late for
    imports at the margin, so there only what is known counts."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        from cogpack.runtime.path_values import PathValues

        self.directories: list[str] = []
        self.given: list[str] = []
        self.open = ""
        self._path = path
        self._values = PathValues(tree, path)
        self._others = set(_other_names_of_sys(tree))
        late = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for inner in methods_of(node)}
        for node in ast.walk(tree):
            self._late = id(node) in late
            self._read(node)

    def _read(self, node: ast.AST) -> None:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=args) if name in _FOUND and is_path(value):
                self._add(args[-1:] if name != "extend" else _elements(args), node)
            case ast.Call(func=ast.Attribute(attr="addsitedir") | ast.Name(id="addsitedir"), args=args):
                self._add(args[:1], node)
            case ast.AugAssign(target=target, value=value) if is_path(target):
                self._add(_elements([value]), node)
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assigned(target, value, node)
            case ast.ImportFrom(module="sys", names=names) if any(
                alias.name in _FINDS or alias.name == "*" for alias in names
            ):
                self._leave_open("changes how modules are found", node)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in self._others and attribute in _FINDS:
                self._leave_open("changes how modules are found", node)
            case ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id=name), *_]) if (
                name == "sys" or name in self._others
            ):
                self._leave_open("changes how modules are found", node)
            case ast.Attribute(value=ast.Name(id="sys"), attr="meta_path" | "path_hooks"):
                self._leave_open("changes how modules are found", node)
            case ast.Call(func=ast.Attribute(value=value, attr="setdefault"), args=[key, *_]) if _is_modules(value):
                self._give(key, node)
            case ast.Call(func=function, args=args) if name_of(function) in _STARTS and any(map(_installs, args)):
                self._leave_open("installs or clones what it imports", node)
            case ast.List() | ast.Tuple() if _installs(node):
                self._leave_open("installs or clones what it imports", node)

    def _assigned(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> None:
        match target:
            case ast.Subscript(value=of, slice=key) if _is_modules(of):
                self._give(key, node)
            case ast.Subscript(value=of, slice=ast.Slice()) if is_path(of):
                self._add(_elements([value]), node)
            case ast.Subscript(value=of) if is_path(of):
                self._add([value], node)
            case _ if is_path(target):
                self._add(_elements([value]), node)
            case ast.Name(id="__path__"):
                self._leave_open("changes how modules are found", node)
            case ast.Name() if isinstance(value, ast.Constant | ast.JoinedStr) and _installs(value):
                self._leave_open("installs or clones what it imports", node)
        if is_path(value):
            self._leave_open("changes how modules are found", node)

    def _add(self, nodes: Sequence[ast.expr | None], node: ast.stmt | ast.expr) -> None:
        if not nodes:
            self._leave_open("changes Python's path", node)
        for one in nodes:
            text = None if one is None else self._values.of(one)
            if text is None:
                self._leave_open("puts a directory on Python's path that is known when it runs", node)
            else:
                self.directories.append(text)

    def _give(self, key: ast.expr, node: ast.stmt | ast.expr) -> None:
        match key:
            case ast.Constant(value=str(name)):
                self.given.append(name)
            case ast.Name(id="__name__"):
                pass
            case _:
                self._leave_open("puts modules in place", node)

    def _leave_open(self, what: str, node: ast.stmt | ast.expr) -> None:
        if not self._late and not self.open:
            self.open = f"{self._path}:{node.lineno} {what}"


def methods_of(node: ast.ClassDef) -> Iterator[ast.AST]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ast.walk(statement)


def _other_names_of_sys(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.asname for alias in names if alias.name == "sys" and alias.asname)
            case ast.Assign(targets=targets, value=ast.Name(id="sys")):
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def is_path(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "path" and name_of(node.value) == "sys"


def _is_modules(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "modules" and name_of(node.value) == "sys"


def name_of(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _elements(nodes: Sequence[ast.expr]) -> list[ast.expr | None]:
    """Give what the lists among `nodes` hold, without the path itself; None of what is no list."""
    found: list[ast.expr | None] = []
    left_over = list(reversed(nodes))  # a sum may be deeper than Python's own stack
    while left_over:
        node = left_over.pop()
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                found += [element for element in elements if not _is_path_of(element)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                left_over += (right, left)
            case _ if not _is_path_of(node):
                found.append(None)
    return found


def _is_path_of(node: ast.expr) -> bool:
    """Tell whether it is the path as it was, or a part of it."""
    inner = node
    while isinstance(inner, ast.Starred | ast.Subscript):
        inner = inner.value
    return is_path(inner)


def _installs(node: ast.expr) -> bool:
    """Tell whether a command, a text or a list of its words, installs something or clones it."""
    left_over = [node]
    while left_over:
        match left_over.pop():
            case ast.List(elts=values) | ast.Tuple(elts=values) | ast.JoinedStr(values=values):
                texts = [value.value for value in values if isinstance(value, ast.Constant)]
                if _brings(" ".join(text for text in texts if isinstance(text, str))):
                    return True
            case ast.Constant(value=str(text)):
                if _brings(text):
                    return True
            case ast.BinOp(left=left, right=right):
                left_over += (left, right)
            case ast.Call(func=ast.Attribute(value=value)):  # "...".split() and the like
                left_over.append(value)
    return False


def _brings(text: str) -> bool:
    """Tell whether a line of a shell's text has a program that brings modules, and behind it the word for that."""
    for line in text.splitlines():
        programs: set[str] = set()
        for found in _WORD.finditer(line):
            word = found[0]
            if word == "easy_install" or not programs.isdisjoint(_VERBS.get(word, ())):
                return True
            programs.add(word.rstrip("0123456789."))
    return False
