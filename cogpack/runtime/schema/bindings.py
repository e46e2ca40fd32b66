"""The names of a module or a class's body are bound in order, without running it: to what, as far as that is known."""

import ast
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

_ADDS = frozenset({"append", "extend"})
_MUTATORS = frozenset(
    "add append clear discard extend insert pop popitem remove reverse setdefault sort update".split()  # noqa: SIM905
)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Imported(msgspec.Struct, frozen=True, eq=False):
    """Stands for `from module import name`, or `import module` where `name` is None; `level` counts the leading
    dots."""

    module: str
    name: str | None
    level: int
    line: int


class Defined(msgspec.Struct, frozen=True, eq=False):
    """Stands for a class or function."""

    node: ast.ClassDef | Function


class Assigned(msgspec.Struct, frozen=True, eq=False):
    """Stands for a name bound to an expression, which is in `scope` where that differs from the name's own."""

    node: ast.expr
    scope: "Scope | None" = None


class Unclear(msgspec.Struct, frozen=True, eq=False):
    """Stands for a name whose value can't be told without running the code."""

    reason: str


Binding: TypeAlias = Imported | Defined | Assigned | Unclear


class Module(msgspec.Struct, frozen=True, eq=False):
    """Is one parsed file. `stars` are its `from ... import *`."""

    path: str
    names: Mapping[str, Binding]
    stars: Sequence[Imported]
    relative_imports: "Sequence[ast.ImportFrom]"


class Scope(msgspec.Struct, frozen=True, eq=False):
    """Is where an expression is evaluated: the names of enclosing bodies, innermost first, then the module's."""

    module: Module
    inner: tuple[Mapping[str, Binding], ...] = ()

    def within(self, names: Mapping[str, Binding]) -> "Scope":
        return Scope(self.module, (names, *self.inner))


def class_names(node: ast.ClassDef) -> dict[str, Binding]:
    """Tell what the names in a class's body are bound to."""
    return collect(node.body)[0]


def collect(body: Sequence[ast.stmt]) -> tuple[dict[str, Binding], list[Imported], list[ast.ImportFrom]]:
    """Collect bindings in order of execution; what stands under `if`, `try` or a loop may or may not be executed."""
    names: dict[str, Binding] = {}
    stars: list[Imported] = []
    relative: list[ast.ImportFrom] = []
    pending = deque((statement, False) for statement in body)

    before = _Mentions()

    def bind(name: str, binding: Binding, conditional: bool) -> None:
        known = names.get(name)
        if isinstance(known, Assigned) and isinstance(binding, Assigned) and before.has(name):
            binding = Unclear(f"{name} is bound again after it was used")
        if not conditional or known is None:
            names[name] = binding
        elif not (isinstance(known, Imported) and isinstance(binding, Imported)):
            names[name] = Unclear(f"{name} is bound in more than one place")

    while pending:
        statement, conditional = pending.popleft()
        used: ast.AST = statement
        match statement:
            case ast.Import():
                for alias in statement.names:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    bind(alias.asname or module, Imported(module, None, 0, statement.lineno), conditional)
            case ast.ImportFrom():
                if statement.level:
                    relative.append(statement)
                for alias in statement.names:
                    imported = Imported(statement.module or "", alias.name, statement.level, statement.lineno)
                    if alias.name == "*":
                        stars.append(imported)
                    else:
                        bind(alias.asname or alias.name, imported, conditional)
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                bind(statement.name, Defined(statement), conditional)
            case ast.Assign() | ast.AnnAssign(value=ast.expr()):
                value = statement.value
                assert value is not None  # by the pattern
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                for target in targets:
                    for name, bound in [*_assigned(names, target, value)]:
                        bind(name, bound, conditional)
            case ast.stmt() if type(statement).__name__ == "TypeAlias":  # PEP 695
                named: Any = statement
                bind(named.name.id, Assigned(named.value), conditional)
            case ast.AugAssign(target=target, op=operation, value=value):
                names.update(_changed(target) if conditional else _added(names, before, target, operation, value))
            case ast.Delete():
                for target in statement.targets:
                    names.update(_changed(target))
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name() as target, attr=attribute), args=added)):
                if attribute in _ADDS and len(added) == 1 and not conditional:
                    used = added[0]
                    value = used if attribute == "extend" else ast.List(added)
                    names.update(_added(names, before, target, ast.Add(), ast.List([ast.Starred(value)])))
                elif attribute in _MUTATORS:
                    names.update(_changed(target))
            case ast.For() | ast.AsyncFor():
                names.update(_changed(statement.target))
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    if item.optional_vars:
                        names.update(_changed(item.optional_vars))
            case _:
                pass
        before.add(used)
        runs_once = isinstance(statement, ast.With | ast.AsyncWith)
        inner = [(child, conditional or not runs_once) for child in _blocks(statement)]
        pending.extendleft(reversed(inner))
    return names, stars, relative


class _Mentions:
    """Tells which names statements use where they stand, as bodies of functions do not. They are walked once, and only
    where somebody asks."""

    def __init__(self) -> None:
        self._pending: list[ast.AST] = []
        self._names: set[str] = set()

    def add(self, node: ast.AST) -> None:
        self._pending.append(node)

    def has(self, name: str) -> bool:
        while self._pending:
            node = self._pending.pop()
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self._names.add(node.id)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._pending += (*node.decorator_list, node.args)
            else:
                self._pending += ast.iter_child_nodes(node)
        return name in self._names


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Give all statements of one scope, those inside of `if` and the like too, in their order."""
    pending = deque(body)
    while pending:
        statement = pending.popleft()
        yield statement
        pending.extendleft(reversed(list(_blocks(statement))))


def _blocks(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Give the statements directly inside a compound statement of the same scope."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    yield from getattr(statement, "body", ())
    for clause in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield from clause.body
    yield from getattr(statement, "orelse", ())
    yield from getattr(statement, "finalbody", ())


def _assigned(names: Mapping[str, Binding], target: ast.expr, value: ast.expr) -> Iterator[tuple[str, Binding]]:
    """Give what `target = value` binds; `a, b = 1, 2` item by item. What is made of its own old value is unclear."""
    match target, value:
        case ast.Name(id=name), _ if name not in names or name not in _names_in(value):
            yield name, Assigned(value)
        case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=values) | ast.List(elts=values))) if (
            len(targets) == len(values)
            and not any(isinstance(one, ast.Starred) for one in (*targets, *values))
            and not _names_in(target) & _names_in(value)
        ):
            for each, one in zip(targets, values, strict=True):
                yield from _assigned(names, each, one)
        case _:
            yield from _changed(target).items()


def _added(
    names: Mapping[str, Binding], before: _Mentions, target: ast.expr, operation: ast.operator, value: ast.expr
) -> Mapping[str, Binding]:
    """Give what `target += value` binds, where the target is known, was not used, and the value is not made of it."""
    known = names.get(target.id) if isinstance(target, ast.Name) else None
    if not isinstance(known, Assigned) or not isinstance(target, ast.Name):
        return _changed(target)
    if before.has(target.id) or target.id in _names_in(value):
        return _changed(target)
    return {target.id: Assigned(ast.copy_location(ast.BinOp(known.node, operation, value), target), known.scope)}


def _names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _changed(target: ast.expr) -> dict[str, Binding]:
    """Name what an assignment to `target` binds or changes in ways not followed here."""
    return {
        node.id: Unclear(f"{node.id} is changed or computed at line {target.lineno}")
        for node in ast.walk(target)
        if isinstance(node, ast.Name)
    }
