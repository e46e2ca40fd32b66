"""The names of a module or a class's body are bound in order, without running it: to what, as far as that is known."""

import ast
import builtins
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from cogpack.runtime.schema.effects import Effects, Scoped, body_effects, names_in, parameters, same_objects

TYPE_STATEMENT = "is_of_type_statement"
"""Marks the node behind `type name =`, which Python wraps (PEP 695): it is read as if it were assigned."""
_ADDS = frozenset({"append", "extend"})

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Imported(msgspec.Struct, frozen=True, eq=False):
    """Stands for `from module import name`, or `import module` where `name` is None; `level` counts the leading
    dots."""

    module: str
    name: str | None
    level: int
    line: int

    def differs(self, other: "Imported") -> bool:
        return (self.module, self.name, self.level) != (other.module, other.name, other.level)


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


class Rebound(msgspec.Struct, frozen=True, eq=False):
    """Stands for a name that another import bound before, and which was used then: no value of it can be told."""

    binding: Imported
    reason: str


class Overlaid(msgspec.Struct, frozen=True, eq=False):
    """Stands for a name that a later `import *` may bind again: the module's, from `first` on. `used`: perhaps in
    between, or they may not be executed."""

    binding: "Binding"
    name: str
    first: int
    used: bool


Binding: TypeAlias = Imported | Defined | Assigned | Unclear | Rebound | Overlaid


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
    collector = _Collector()
    collector.collect(body)
    return collector.names, collector.stars, collector.relative


class _Collector:
    def __init__(self) -> None:
        self.names: dict[str, Binding] = {}
        self.stars: list[Imported] = []
        self.relative: list[ast.ImportFrom] = []
        self._seen = Effects()
        self._functions = defaultdict[str, list[Function]](list)
        self._shared = defaultdict[str, list[tuple[str, bool, bool]]](list)
        """What may stand for the same object as each name: others, whether that is inside of them, and whether it is
        only what the name holds. Each is gone through once for changes of what is held, and once for others."""
        self._through: dict[tuple[str, bool], int] = {}
        self._before: dict[str, int] = {}
        """How many `import *` stood before each name was bound."""
        self._may_import = False
        self._used_then = set[str]()
        """What was used before the last of them."""

    def collect(self, body: Sequence[ast.stmt]) -> None:
        pending = deque((statement, False) for statement in body)
        while pending:
            statement, conditional = pending.popleft()
            if type(statement) is ast.If and _is_main(statement):
                continue  # does not run when it is imported
            used = self._statement(statement, conditional)
            self._seen.look(used)
            if self._seen.bound or self._seen.changed:
                self._apply(statement.lineno)
            if not isinstance(statement, Scoped):
                pending.extendleft(reversed([(child, True) for child in _blocks(statement)]))
        self._call()
        for name, first in self._before.items() if self.stars else ():
            known = self.names[name]
            if first < len(self.stars) and not isinstance(known, Unclear):
                self.names[name] = Overlaid(known, name, first, self._may_import or name in self._used_then)

    def _bind(self, name: str, binding: Binding, conditional: bool) -> None:
        known = self.names.get(name)
        if conditional and known is not None:
            if isinstance(known, Imported | Rebound) and isinstance(binding, Imported):
                return
            binding = Unclear(f"{name} is bound in more than one place")
        elif name in self._seen.used and (known is not None or self.stars or hasattr(builtins, name)):
            again = f"{name} is bound again after it was used"
            if not isinstance(known, Imported | Rebound) or not isinstance(binding, Imported):
                binding = Unclear(again)
            elif not isinstance(known, Imported) or known.differs(binding):
                binding = Rebound(binding, again)
        self.names[name] = binding
        self._before[name] = len(self.stars)

    def _statement(self, statement: ast.stmt, conditional: bool) -> ast.AST:
        """Bind what a statement binds, and give what is left to be looked at."""
        match statement:
            case ast.Import():
                for alias in statement.names:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bind(alias.asname or module, Imported(module, None, 0, statement.lineno), conditional)
            case ast.ImportFrom():
                self._import(statement, conditional)
            case ast.ClassDef():
                self._bind(statement.name, Defined(statement), conditional)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._bind(statement.name, Defined(statement), conditional)
                self._functions[statement.name].append(statement)
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value, conditional)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign([target], value, conditional)
            case ast.stmt() if type(statement).__name__ == "TypeAlias":  # PEP 695
                named: Any = statement
                vars(named.value)[TYPE_STATEMENT] = True
                self._bind(named.name.id, Assigned(named.value), conditional)
            case ast.AugAssign(target=ast.Name(id=name), op=operation, value=value):
                self._add(name, operation, value, conditional, statement.lineno)
            case ast.Delete(targets=deleted):
                for one in deleted:
                    self.names.update(_changed_by(one))
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute), args=[added])
            ) if attribute in _ADDS:
                value = added if attribute == "extend" else ast.List([added])
                self._add(name, ast.Add(), ast.List([ast.Starred(value)]), conditional, statement.lineno)
                return added
            case ast.For(target=looped) | ast.AsyncFor(target=looped):
                self.names.update(_changed_by(looped))
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    if item.optional_vars:
                        self.names.update(_changed_by(item.optional_vars))
        return statement

    def _import(self, statement: ast.ImportFrom, conditional: bool) -> None:
        if statement.level:
            self.relative.append(statement)
        for alias in statement.names:
            imported = Imported(statement.module or "", alias.name, statement.level, statement.lineno)
            if alias.name != "*":
                self._bind(alias.asname or alias.name, imported, conditional)
                continue
            self.stars.append(imported)
            self._may_import = self._may_import or conditional
            self._used_then = set(self._seen.used)

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr, conditional: bool) -> None:
        for target in targets:
            for name, bound in [*_assigned(self.names, target, value)]:
                self._bind(name, bound, conditional)
                if isinstance(bound, Assigned):
                    self._share(name, bound.node)
                else:
                    self._shared[name] += [(other, True, False) for other in names_in(value)]
        together = [target.id for target in targets if isinstance(target, ast.Name)]
        if len(together) > 1:
            for name, twin in zip(together, (*together[1:], together[0]), strict=True):
                self._shared[name].append((twin, False, False))

    def _share(self, name: str, value: ast.expr) -> None:
        self._shared[name] += [(other, inside, False) for other, inside in same_objects(value)]
        self._shared[name] += [(other, True, True) for other in names_in(value)]

    def _add(self, name: str, operation: ast.operator, value: ast.expr, conditional: bool, line: int) -> None:
        """Bind what `name += value` does, where the name is known, was not used, and the value is not made of it."""
        known = self.names.get(name)
        if (
            not conditional
            and isinstance(known, Assigned)
            and name not in self._seen.used
            and name not in _all_names(value)
            and not any(self._can_change(other) for other, _, is_held in self._shared[name] if not is_held)
        ):
            node = ast.copy_location(ast.BinOp(known.node, operation, value), known.node)
            self.names[name] = Assigned(node, known.scope)
        else:
            self._change(name, line, is_inside=False)
        self._shared[name] += [(other, True, True) for other in names_in(value)]

    def _apply(self, line: int) -> None:
        """Make unclear what was seen to change."""
        for name in self._seen.bound:
            self.names[name] = _changed(name, line)
        for name, is_inside in self._seen.changed.items():
            self._change(name, line, is_inside=is_inside)
        self._seen.bound.clear()
        self._seen.changed.clear()

    def _call(self) -> None:
        """Look at the bodies of functions whose names are used while the module is imported: they may be called."""
        pending = [name for name in self._functions if name in self._seen.used]
        called = set(pending)
        for name in pending:  # grows
            for function in self._functions[name]:
                found, own = body_effects(function)
                self._seen.add(found, own)
                if found.changed.keys() & parameters(function):
                    for given in self._seen.given.get(name, ()):
                        self._seen.change(given, is_inside=True)
                self._apply(function.lineno)
                more = sorted((found.used & self._functions.keys()) - called)
                called.update(more)
                pending += more

    def _change(self, name: str, line: int, *, is_inside: bool) -> None:
        """Make a name unclear, and all that may stand for the same object, or for one that holds it."""
        pending = [(name, is_inside)]
        for name, is_inside in pending:  # grows
            self.names[name] = _changed(name, line)
            for held in self._seen.held.pop(name, ()):
                self._shared[name] += [(other, True, False) for other in names_in(held)]
            shared = self._shared[name]
            at = self._through.get((name, is_inside), 0)
            self._through[name, is_inside] = len(shared)
            for other, inside, is_held in shared[at:]:
                if (is_inside or not is_held) and self._can_change(other):
                    pending.append((other, is_inside or inside))

    def _can_change(self, name: str) -> bool:
        match self.names.get(name):
            case None | Defined() | Assigned(ast.Constant()):
                return False
        return True


def _changed(name: str, line: int) -> Unclear:
    return Unclear(f"{name} is changed or computed at line {line}")


def _is_main(statement: ast.If) -> bool:
    match statement:
        case ast.If(test=ast.Compare(ast.Name("__name__"), [ast.Eq()], [ast.Constant("__main__")]), orelse=[]):
            return True
    return False


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
        case ast.Name(id=name), _ if name not in names or name not in _all_names(value):
            yield name, Assigned(value)
        case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=values) | ast.List(elts=values))) if (
            len(targets) == len(values)
            and not any(isinstance(one, ast.Starred) for one in (*targets, *values))
            and not _all_names(target) & _all_names(value)
        ):
            for each, one in zip(targets, values, strict=True):
                yield from _assigned(names, each, one)
        case _:
            yield from _changed_by(target)


def _changed_by(target: ast.expr) -> Iterator[tuple[str, Unclear]]:
    """Give the names that are bound or deleted by it."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, _changed(node.id, target.lineno)


def _all_names(node: ast.AST) -> set[str]:
    """Name what is mentioned, the functions that are called too."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
