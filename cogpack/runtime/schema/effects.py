"""What a statement uses and changes when it runs, beside what it binds: lists are changed in the midst of expressions.

Bodies of functions run later, if at all: they are looked at on their own, where somebody calls them.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

_MUTATORS = frozenset(
    "add append clear discard extend insert pop popitem remove reverse setdefault sort update".split()  # noqa: SIM905
)
_CHANGE_ARGUMENT = frozenset({"delattr", "setattr", "shuffle"})

_NOTHING = frozenset({type(None), bool, str, int, ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass})
_STATEMENTS = frozenset(ast.stmt.__subclasses__())
_SCOPED = frozenset({ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef})
_TOLD = frozenset(
    {
        *(ast.AsyncFor, ast.Attribute, ast.Call, ast.ExceptHandler, ast.For, ast.Global, ast.MatchAs, ast.MatchMapping),
        *(ast.MatchStar, ast.NamedExpr, ast.Subscript, ast.comprehension, ast.withitem),
    }
)

Scoped: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Effects:
    """Gathers what nodes do: `used` names, `bound` ones (by `:=`, `except`, `match`; each name where a whole body is
    looked at), `changed` ones, with whether that is what they hold and not they themselves, what is `held` in the
    names of loops, and which names are `given` to functions."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.bound: set[str] = set()
        self.changed: dict[str, bool] = {}
        self.held: dict[str, list[ast.expr]] = {}
        self.given: dict[str, set[str]] = {}
        self.outer: set[str] = set()

    def add(self, other: "Effects", local: Iterable[str] = ()) -> None:
        hidden = {*local} - other.outer
        self.used |= other.used - hidden
        self.bound |= other.outer
        for name in other.changed.keys() - hidden:
            self.change(name, is_inside=other.changed[name])
        for name, values in other.held.items():
            self.held.setdefault(name, []).extend(values)
        for name, names in other.given.items():
            self.given.setdefault(name, set()).update(names - hidden)

    def change(self, name: str, *, is_inside: bool) -> None:
        self.changed[name] = is_inside or self.changed.get(name, False)

    def look(self, node: ast.AST, *, whole: bool = False, functions: bool = False) -> None:
        """Look at a node. Of a compound statement only its head, unless `whole`: its parts come one by one."""
        pending: list[Any] = [node]
        for one in pending:  # grows; a source has many nodes, and few of them are calls here
            kind = type(one)
            if kind in _NOTHING:
                continue
            if kind is list:
                pending += one
            elif kind is ast.Name:
                if type(one.ctx) is ast.Load:
                    self.used.add(one.id)
                elif whole:
                    self.bound.add(one.id)
            elif kind in _SCOPED:
                pending += one.decorator_list
                if whole:
                    self.bound.add(one.name)
                if kind is ast.ClassDef:
                    pending += (*one.bases, *one.keywords)
                    self.add(*body_effects(one))
                else:
                    pending += one.args.defaults
                    pending += one.args.kw_defaults
                    if functions:
                        self.add(*body_effects(one))
            elif whole or one is node or kind not in _STATEMENTS:
                if kind in _TOLD:
                    self._one(one)
                pending += one.__dict__.values()

    def _one(self, node: ast.AST) -> None:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _MUTATORS:
                self._change(owner)
            case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name), args=[first, *_]) if name in _CHANGE_ARGUMENT:
                self._change(first)
            case ast.Call(func=ast.Name(name), args=arguments, keywords=keywords):
                values = (*arguments, *(keyword.value for keyword in keywords))
                self.given.setdefault(name, set()).update(root[0] for one in values if (root := root_of(one)))
            case ast.NamedExpr(target=target, value=value):
                self.bound.add(target.id)
                self.held.setdefault(target.id, []).append(value)
            case ast.comprehension(target=target, iter=held) | ast.For(target=target, iter=held):
                self._hold(target, held)
            case (
                ast.AsyncFor(target=target, iter=held)
                | ast.withitem(context_expr=held, optional_vars=ast.expr() as target)
            ):
                self._hold(target, held)
            case (
                ast.Subscript(value=owner, ctx=ast.Store() | ast.Del())
                | ast.Attribute(value=owner, ctx=ast.Store() | ast.Del())
            ):
                self._change(owner)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self.bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                self.bound.add(name)
            case ast.Global(names=names):
                self.outer.update(names)

    def _change(self, owner: ast.expr) -> None:
        if root := root_of(owner):
            self.change(root[0], is_inside=root[1])

    def _hold(self, target: ast.expr, held: ast.expr) -> None:
        for name in names_in(target):
            self.held.setdefault(name, []).append(held)


def body_effects(node: Scoped) -> tuple[Effects, set[str]]:
    """Tell what the body of a class or function does when it runs, functions inside too, and its own names."""
    found = Effects()
    for statement in node.body:
        found.look(statement, whole=True, functions=not isinstance(node, ast.ClassDef))
    return found, found.bound | (set() if isinstance(node, ast.ClassDef) else parameters(node))


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}


def root_of(node: ast.expr) -> tuple[str, bool] | None:
    """Give the name that an object is reached by, and whether it is inside of what that stands for: `A['x'].b`."""
    inside = False
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node, inside = node.value, True
    return (node.id, inside) if isinstance(node, ast.Name) else None


def same_objects(node: ast.expr) -> Iterator[tuple[str, bool]]:
    """Name what an expression gives as it is, or from inside of what."""
    match node:
        case ast.IfExp(body=body, orelse=other):
            yield from (*same_objects(body), *same_objects(other))
        case ast.BoolOp(values=values):
            for each in values:
                yield from same_objects(each)
        case ast.NamedExpr(target=target, value=value):
            yield from ((target.id, False), *same_objects(value))
        case _:
            if root := root_of(node):
                yield root


def names_in(node: ast.AST) -> set[str]:
    """Name what is mentioned, but for the functions that are called."""
    found = set[str]()
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, ast.Name):
            found.add(one.id)
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Name):
            pending += (*one.args, *one.keywords)
        else:
            pending += ast.iter_child_nodes(one)
    return found
