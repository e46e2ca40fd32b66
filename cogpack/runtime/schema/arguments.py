"""A parameter's default is an `Input(...)`, whose arguments are read wherever that call stands.

It may stand in the signature, be a constant of the module or of a class, or be what a function of the project returns.
"""

import ast
import math
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from cogpack.notes import Code
from cogpack.runtime.schema.bindings import Assigned, Binding, Function, Scope
from cogpack.runtime.schema.computing import Uncomputed, Unresolved, Value
from cogpack.runtime.schema.names import Foreign, Local, Sources
from cogpack.runtime.schema.source import Place, shown
from cogpack.runtime.schema.values import evaluate

_MAX_CALLS = 10

_ENDLESS = {"ge": -math.inf, "le": math.inf}
"""What limits nothing."""
_LIMITS = frozenset(("ge", "le", "max_length", "min_length", "regex"))
_KNOWN = frozenset(
    ("accept", "choices", "default", "deprecated", "description", "ge", "le", "max_length", "min_length", "regex")
)


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the values given; one given as None counts as not given, except a `default`, which is then null.

    `places`: where each is written, as far as that is the parameter's own file; `computed`: there is a default, which
    only the running model knows.
    """

    default: "Value | msgspec.UnsetType" = msgspec.UNSET
    description: str | None = None
    ge: int | float | None = None
    le: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    regex: str | None = None
    choices: "list[Value] | None" = None
    deprecated: bool = False
    accept: str | None = None
    computed: bool = False
    places: Mapping[str, Place] = MappingProxyType({})

    def place(self, name: str, parameter: Place) -> Place:
        return self.places.get(name, parameter)


def read_default(sources: Sources, scope: Scope, node: ast.expr | None, place: Place) -> Arguments:
    """Read what stands behind `=` in a signature: the arguments of an `Input`, or a plain default."""
    if node is None:
        return Arguments()
    call = _find_call(sources, scope, node, place, 0)
    if call is None:
        place = _own(place, scope, node)
        try:
            return Arguments(default=evaluate(sources, scope, node), places={"default": place})
        except Uncomputed as why:
            _note_default(sources, place, f"its default {shown(node)}", why)
            return Arguments(computed=True)
        except Unresolved as why:
            raise place.error(
                f"its default {shown(node)} is not known without running the code: {why}",
                next_step="write a literal or a constant of the file as default",
            ) from why
    places = {name: _own(place, scope, node) for name, (scope, node) in call.items()}
    return _checked(_values(sources, call, places), places)


def _own(place: Place, scope: Scope, node: ast.AST) -> Place:
    """Give the place of a node; where that is in another file, the parameter's."""
    return place.at(node) if scope.module.path == place.path else place


def _find_call(
    sources: Sources, scope: Scope, node: ast.expr, place: Place, depth: int
) -> "dict[str, tuple[Scope, ast.expr]] | None":
    """Find the arguments of the `Input` call that an expression comes down to, None where it is none."""
    if depth > _MAX_CALLS:
        return None
    if isinstance(node, ast.Name | ast.Attribute):
        symbol = sources.resolve(scope, node)
        if isinstance(symbol, Local) and isinstance(symbol.node, ast.Call):
            return _find_call(sources, symbol.scope, symbol.node, place, depth + 1)
        return None
    if not isinstance(node, ast.Call):
        return None
    match sources.resolve(scope, node.func):
        case Foreign("cog.Input"):
            return _arguments(sources, scope, node, place)
        case Local(home, ast.FunctionDef() as function):
            returned = function.body[-1]
            if isinstance(returned, ast.Return) and returned.value:
                inner = home.within(_parameters(scope, function, node))
                return _find_call(sources, inner, returned.value, place, depth + 1)
    return None


def _arguments(sources: Sources, scope: Scope, call: ast.Call, place: Place) -> dict[str, tuple[Scope, ast.expr]]:
    found: dict[str, tuple[Scope, ast.expr]] = {}
    if len(call.args) > 1 or any(isinstance(argument, ast.Starred) for argument in call.args):
        raise _own(place, scope, call).error(
            "Input takes one argument without a name, the default", next_step="name the others: Input(1, ge=0)"
        )
    for argument in call.args:
        found["default"] = (scope, argument)
    for keyword in call.keywords:
        if keyword.arg is not None:
            found[keyword.arg] = (scope, keyword.value)
            continue
        try:
            found |= _spread(sources, scope, keyword.value, 0)
        except Unresolved as why:
            raise _own(place, scope, keyword.value).error(
                f"**{shown(keyword.value)} in Input {why}", next_step="write the arguments of Input one by one"
            ) from why
    return found


def _spread(sources: Sources, scope: Scope, node: ast.expr, depth: int) -> dict[str, tuple[Scope, ast.expr]]:
    """Give the items of a dict that is written out, or put together of such."""
    symbol = sources.resolve(scope, node)
    found: dict[str, tuple[Scope, ast.expr]] = {}
    match symbol.node if isinstance(symbol, Local) and depth < _MAX_CALLS else None:
        case ast.Dict(keys=keys, values=values):
            pairs: list[tuple[ast.expr | None, ast.expr]] = [*zip(keys, values, strict=True)]
        case ast.Call(func=function, args=[], keywords=keywords) if (
            isinstance(symbol, Local) and sources.foreign(symbol.scope, function) == "builtins.dict"
        ):
            pairs = [(ast.Constant(one.arg) if one.arg else None, one.value) for one in keywords]
        case _:
            raise Unresolved("is not known without running the code")
    assert isinstance(symbol, Local)  # by the match
    for key, value in pairs:
        match key:
            case None:
                found |= _spread(sources, symbol.scope, value, depth + 1)
            case ast.Constant(value=str(name)):
                found[name] = (symbol.scope, value)
            case _:
                raise Unresolved("has keys that are not literal text")
    return found


def _parameters(caller: Scope, function: Function, call: ast.Call) -> Mapping[str, Binding]:
    """Give what a function's parameters are bound to in one call; its defaults are in the function's own scope."""
    given = function.args
    names = [parameter.arg for parameter in (*given.posonlyargs, *given.args)]
    found: dict[str, Binding] = {}
    for name, default in zip(reversed(names), reversed(given.defaults), strict=False):
        found[name] = Assigned(default)
    for parameter, value in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if value is not None:
            found[parameter.arg] = Assigned(value)
    for name, argument in zip(names, call.args, strict=False):
        found[name] = Assigned(argument, caller)
    extra: list[ast.keyword] = []
    for keyword in call.keywords:
        if keyword.arg in (*names, *(parameter.arg for parameter in given.kwonlyargs)):
            found[str(keyword.arg)] = Assigned(keyword.value, caller)
        else:
            extra.append(keyword)
    if given.kwarg and all(keyword.arg for keyword in extra):
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in extra]
        found[given.kwarg.arg] = Assigned(ast.Dict(keys, [keyword.value for keyword in extra]), caller)
    return found


def _values(
    sources: Sources, call: Mapping[str, tuple[Scope, ast.expr]], places: Mapping[str, Place]
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, (scope, node) in call.items():
        place = places[name]
        if name == "default_factory":
            raise place.error(
                "default_factory is refused by cog at start", next_step="write the value itself as default"
            )
        if name not in _KNOWN:
            raise place.error(f"Input takes no argument {name!r}", next_step=f"use {', '.join(sorted(_KNOWN))}")
        if name == "default" and isinstance(node, ast.Constant) and node.value is ...:
            continue
        try:
            value = evaluate(sources, scope, _listed(node) if name == "choices" else node, endless=name in _ENDLESS)
            if name in _ENDLESS and value in (math.inf, -math.inf):
                if value != _ENDLESS[name]:
                    raise place.error(f"{name}={shown(node)} lets no number in", next_step=f"correct {name}")
                continue  # it limits nothing, and JSON has no such number
            values[name] = value
        except Unresolved as why:
            text = f"{name}={shown(node)} is not known without running the code: {why}"
            if name == "description":  # says nothing of what is taken
                sources.notes.append(place.note(Code.NO_DESCRIPTION, f"{text}; it is left out"))
                continue
            if name in _LIMITS and isinstance(why, Uncomputed):
                sources.notes.append(place.note(Code.NO_LIMIT, f"{text}; the schema has no such limit, as Cog's"))
                continue
            if name == "default" and isinstance(why, Uncomputed):
                _note_default(sources, place, f"default={shown(node)}", why)
                values["computed"] = True
                continue
            raise place.error(text, next_step=f"write {name} as a literal or a constant of the project") from why
    return values


def _note_default(sources: Sources, place: Place, what: str, why: Uncomputed) -> None:
    text = f"{what} is not known without running the code: {why}; the schema has none, and the input may be left out"
    sources.notes.append(place.note(Code.NO_DEFAULT, text))


def _listed(node: ast.expr) -> ast.expr:
    """Iterate what stands for choices: of a dict the keys, as Python has it."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Dict):
        return ast.copy_location(ast.List([ast.Starred(node)]), node)
    return node


def _checked(values: dict[str, Value], places: Mapping[str, Place]) -> Arguments:
    """Refuse types other than `Input` declares: Python itself would not mind them, and nobody would see them."""
    given = {name: value for name, value in values.items() if value is not None or name == "default"}
    for name, value in given.items():
        expected = _mismatch(name, value)
        if expected:
            raise places[name].error(f"{name}: expected {expected}, got {value!r:.80}", next_step=f"correct {name}")
    return Arguments(**given, places=places)  # type: ignore[arg-type]  # just checked, name by name


def _mismatch(name: str, value: Value) -> str | None:
    """Say what an argument should have been, None where it is that."""
    match name, value:
        case "description" | "regex" | "accept", _:
            return None if isinstance(value, str) else "text"
        case "ge" | "le", _:
            return None if isinstance(value, int | float) and not isinstance(value, bool) else "a number"
        case "min_length" | "max_length", _:
            fine = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            return None if fine else "an integer of 0 or more"
        case "deprecated", _:
            return None if isinstance(value, bool) else "True or False"
        case "choices", _:
            return None if isinstance(value, list) else "a list"
    return None
