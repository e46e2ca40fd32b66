"""Which programs a model's sources start, and what they import, as far as literals tell: read by `ast`, never run.

Of the project's files those are read that its predictor imports, at whatever remove, as the interpreter finds them:
from the project's root, and relative ones from their own directory.
"""

import ast
import posixpath
import shlex
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property

import msgspec

from cogpack.patterns import pattern
from cogpack.runtime.imports.of_file import name_of
from cogpack.runtime.schema.source import SourceFiles, parsed

_MOST_FILES = 500
_RUN = ("run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput")
_WHICH = "shutil.which"
_ARGUMENTS = frozenset(f"subprocess.{name}" for name in _RUN) | {"asyncio.create_subprocess_exec", _WHICH}
"""Functions whose first argument is a program, or a list that begins with it; with `shell=True`, a line of shell."""
_LINES = frozenset(
    {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"}
)
_SPAWNS = ("os.exec", "os.spawn", "os.posix_spawn")
_EXITS = frozenset({"exit", "quit", "sys.exit", "os._exit", "os.abort"})
_MATTERS = _EXITS | _LINES | _ARGUMENTS - {_WHICH}
_SHELLS = frozenset({"bash", "dash", "sh"})
_MODULES = frozenset({"subprocess", "asyncio", "shutil", "os", "shlex", "sys"})
_BINARIES = ("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/")
_SEPARATOR = pattern(r"&&|\|\|?|;|\n")
_VARIABLE = pattern(r"\w+=\S*\Z")
_PROGRAM = pattern(r"[A-Za-z0-9][\w.+-]*")


class Started(msgspec.Struct, frozen=True, order=True):
    """Says that a program is started, or a module imported, at `path:line:column`."""

    path: str
    line: int
    column: int
    name: str

    @classmethod
    def at(cls, path: str, node: ast.expr | ast.stmt | ast.alias, name: str) -> "Started":
        return cls(path, node.lineno, node.col_offset + 1, name)

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class Sources(msgspec.Struct, frozen=True):
    """Holds what is found in all sources, in their order: `programs` by the names under which a shell finds them,
    `modules` by their first part; `compiling`: where torch.compile is named; `shells`: where one is started,
    whatever it is given, by the words that say so."""

    programs: tuple[Started, ...]
    modules: tuple[Started, ...]
    compiling: tuple[Started, ...] = ()
    shells: tuple[Started, ...] = ()


def read_sources(files: SourceFiles, roots: Iterable[str]) -> Sources:
    """Read the files `roots` and all that they import. One that can't be read is passed over: who checks the predictor
    tells of it."""
    programs: list[Started] = []
    modules: list[Started] = []
    compiling: list[Started] = []
    shells: list[Started] = []
    queue = deque(roots)
    seen = set(queue)
    while queue and len(seen) <= _MOST_FILES:
        path = queue.popleft()
        tree = parsed(files.read(path), path)
        if tree is None:
            continue
        calls = _Calls(path, tree)
        programs += calls.programs()
        shells += calls.shells()
        compiling += sorted(_compiling(tree, path))
        programs += sorted(_for_gpus(tree, path))
        for module, level, node in _imports(tree):
            if not level:
                modules.append(Started.at(path, node, module.partition(".")[0]))
            for found in _files_of(module, level, path):
                if found not in seen:
                    seen.add(found)
                    queue.append(found)
    return Sources(tuple(programs), tuple(modules), tuple(compiling), tuple(shells))


def _compiling(tree: ast.Module, path: str) -> Iterator[Started]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="torch"), attr="compile"):
                yield Started.at(path, node, "torch.compile")
            case ast.ImportFrom(module="torch", level=0, names=names) if any(name.name == "compile" for name in names):
                yield Started.at(path, node, "torch.compile")


_LOADERS = frozenset({"load", "load_inline"})


def _for_gpus(tree: ast.Module, path: str) -> Iterator[Started]:
    """Give where torch.utils.cpp_extension is asked to compile, by any of its names: it starts nvcc."""
    modules, functions = {"cpp_extension"}, set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="torch.utils", level=0, names=names):
                modules |= {name.asname for name in names if name.name == "cpp_extension" and name.asname}
            case ast.ImportFrom(module="torch.utils.cpp_extension", level=0, names=names):
                functions |= {name.asname or name.name for name in names if name.name in _LOADERS}
            case ast.Import(names=names):
                modules |= {name.asname for name in names if name.name == "torch.utils.cpp_extension" and name.asname}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _LOADERS:
                if name_of(value) in modules:
                    yield Started.at(path, node, "nvcc")
            case ast.Call(func=ast.Name(id=name)) if name in functions:
                yield Started.at(path, node, "nvcc")


def _imports(tree: ast.Module) -> Iterator[tuple[str, int, ast.stmt | ast.alias]]:
    """Give module, leading dots and place of each import; of `from a import b`, also of `a.b`, which may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, alias) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module:
                yield module, node.level, node
            for alias in node.names:
                yield (f"{module}.{alias.name}" if module else alias.name), node.level, node


def _files_of(module: str, level: int, path: str) -> Iterator[str]:
    """Name the files that an import would run, packages before what is in them."""
    directory = posixpath.dirname(path)
    for _ in range(level - 1):
        directory = posixpath.dirname(directory)
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        found = posixpath.join(directory if level else "", *parts[:length])
        yield f"{found}/__init__.py"
        yield f"{found}.py"


def _asked(test: ast.expr) -> Iterator[ast.expr]:
    """Give what a test asks whether it is there."""
    left = [test]
    while left:
        match left.pop():
            case (
                ast.UnaryOp(op=ast.Not(), operand=asked)
                | ast.Compare(left=asked, comparators=[ast.Constant(value=None)])
                | ast.Call(func=ast.Name(id="bool"), args=[asked])
            ):
                left.append(asked)
            case ast.BoolOp(values=values):
                left += values
            case found:
                yield found


def _leftmost(node: ast.expr | None, operators: tuple[type[ast.operator], ...]) -> ast.expr | None:
    """Give with what a sum, however long, begins."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, operators):
        node = node.left
    return node


class _Calls:
    """Holds the calls of one file. Names of functions are followed to where they were imported from, and names of
    commands to the literals that they are bound to anywhere in the file."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path = path
        self._tree = tree
        self._calls: list[ast.Call] = []
        self._tests: list[ast.If | ast.While] = []
        self._functions: dict[str, str] = {}
        self._bound: dict[str, list[ast.expr]] = {}

        for node in ast.walk(tree):
            match node:
                case ast.Import():
                    for alias in node.names:  # `import os.path` binds `os`
                        first = alias.name.partition(".")[0]
                        self._functions[alias.asname or first] = alias.name if alias.asname else first
                case ast.ImportFrom(module=str(module), level=0) if module in _MODULES:
                    self._functions |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
                case ast.Assign():
                    for target in node.targets:
                        if isinstance(target, ast.Name):
                            self._bound.setdefault(target.id, []).append(node.value)
                case ast.AnnAssign(target=ast.Name() as name, value=ast.expr() as value):
                    self._bound.setdefault(name.id, []).append(value)
                case ast.Call():
                    self._calls.append(node)
                case ast.If() | ast.While():
                    self._tests.append(node)

    def programs(self) -> list[Started]:
        return sorted({Started.at(self._path, call, name) for call in self._calls for name in self._programs(call)})

    def shells(self) -> list[Started]:
        """Find the calls for which there has to be a shell."""
        return sorted({Started.at(self._path, call, words) for call in self._calls if (words := self._shell(call))})

    def _shell(self, call: ast.Call) -> str:
        function = self._name(call.func)
        if function in _LINES:
            return function
        if function in _ARGUMENTS and _is_shell(call):
            return f"{function} with shell=True"
        if function in _ARGUMENTS and (named := _SHELLS.intersection(self._programs(call))):
            return f"{function} of {min(named)}"
        return ""

    def _programs(self, call: ast.Call) -> Iterator[str]:
        function = self._name(call.func)
        if function in _LINES or (function in _ARGUMENTS and _is_shell(call)):
            words = self._lines(_first(call))
        elif function in _ARGUMENTS and call not in self._only_asked:
            words = self._arguments(_first(call))
        else:
            return
        for word in words:
            name = next((word.removeprefix(found) for found in _BINARIES if word.startswith(found)), word)
            if _PROGRAM.fullmatch(name):
                yield name

    @cached_property
    def _only_asked(self) -> Collection[ast.expr]:
        """Holds each `which` that a test asks only whether there is one, and goes on as well without. What is assigned,
        returned or chosen by it is none of it: nobody follows where it goes."""
        asked = {
            call: test
            for test in self._tests
            for call in _asked(test.test)
            if isinstance(call, ast.Call) and self._name(call.func) == _WHICH
        }
        mattering = self._mattering() if asked else ()
        return {call for call, test in asked.items() if test not in mattering}

    def _mattering(self) -> Collection[ast.AST]:
        """Give the nodes that matter, and all around them: from the leaves on, so that each is looked at once."""
        found = set[ast.AST]()
        for node in reversed(list(ast.walk(self._tree))):
            if self._matters(node) or not found.isdisjoint(ast.iter_child_nodes(node)):
                found.add(node)
        return found

    def _matters(self, node: ast.AST) -> bool:
        """Tell what leaves something behind, ends it, or names what ends or runs it: all but calls of other things."""
        if isinstance(node, ast.Name | ast.Attribute):
            name = self._name(node)
            return name in _MATTERS or name.startswith(_SPAWNS)
        if isinstance(node, ast.stmt):
            return not isinstance(node, ast.If | ast.While | ast.Expr | ast.Pass)
        return isinstance(node, ast.NamedExpr | ast.Yield | ast.YieldFrom)

    def _name(self, function: ast.expr) -> str:
        match function:
            case ast.Name(id=name):
                return self._functions.get(name, name)
            case ast.Attribute(value=ast.Name(id=module), attr=attribute):
                return f"{self._functions.get(module, '')}.{attribute}"
        return ""

    def _arguments(self, node: ast.expr | None, *, depth: int = 0) -> Iterator[str]:
        """Give the program of an argument list, or of its name alone."""
        match _leftmost(node, (ast.Add,)):
            case ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_]):
                yield from self._arguments(first, depth=depth)
            case ast.Constant(value=str(word)):
                yield word
            case ast.Starred(value=value):
                yield from self._arguments(value, depth=depth)
            case ast.Call(func=ast.Attribute(attr="split"), args=[*_]) as call:
                yield from self._split(call)
            case ast.Name(id=name) if depth < 2:
                for value in self._bound.get(name, ()):
                    yield from self._arguments(value, depth=depth + 1)

    def _split(self, call: ast.Call) -> Iterator[str]:
        """Read `shlex.split(LINE)` and `LINE.split()`."""
        assert isinstance(call.func, ast.Attribute)
        line = _first(call) if self._name(call.func) == "shlex.split" else call.func.value
        yield from list(self._lines(line))[:1]

    def _lines(self, node: ast.expr | None, *, depth: int = 0) -> Iterator[str]:
        """Give the programs of a line of shell, as far as it begins with a literal."""
        match _leftmost(node, (ast.Add, ast.Mod)):
            case ast.Constant(value=str(text)):
                yield from _commands(text)
            case ast.JoinedStr(values=values):
                yield from _commands("".join(_text(value) for value in values))
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
                yield from _commands(text)
            case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[ast.List() as words]):
                yield from self._arguments(words)
            case ast.Name(id=name) if depth < 2:
                for value in self._bound.get(name, ()):
                    yield from self._lines(value, depth=depth + 1)


_UNKNOWN = "\0"
"""Stands in a line for what is put into it at run time: no name of a program has it."""


def _text(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else _UNKNOWN


def _commands(line: str) -> Iterator[str]:
    """Give the first word of each command, behind its variables."""
    for part in _SEPARATOR.split(line):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:  # a quote that is open where the line was cut
            words = part.split()
        yield from [word for word in words if not _VARIABLE.match(word)][:1]


def _first(call: ast.Call) -> ast.expr | None:
    named: Mapping[str | None, ast.expr] = {keyword.arg: keyword.value for keyword in call.keywords}
    return call.args[0] if call.args else named.get("args") or named.get("cmd")


def _is_shell(call: ast.Call) -> bool:
    return any(
        keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )
