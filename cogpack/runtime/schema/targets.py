"""A reference such as `predict.py:Predictor` leads to the function that is called, and to what its decorators say."""

import ast
import difflib
import posixpath

import msgspec

from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.runtime.schema.bindings import Assigned, Defined, Function, Module, Scope, Unclear, class_names, statements
from cogpack.runtime.schema.computing import Unresolved
from cogpack.runtime.schema.names import Foreign, Local, Sources
from cogpack.runtime.schema.source import Place
from cogpack.runtime.schema.values import evaluate

_MAX_BASES = 30
_STAYS = frozenset({"abc", "builtins", "cog", "contextlib", "functools", "torch", "typing", "typing_extensions"})
"""Packages none of whose decorators makes an async function of another one."""
_FRAMEWORK = frozenset({"cog.BaseRunner", "cog.BasePredictor", "builtins.object"})


class TargetFunction(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Is the function to describe, with the scope of its annotations and defaults, and whether its first argument is
    `self`. `wrapped`: what is called is made of it when the class is, or by a decorator that nobody here knows."""

    node: Function
    scope: Scope
    is_method: bool
    place: Place
    module: Module
    notes: tuple[Note, ...] = ()
    wrapped: bool = False

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def at(self) -> str:
        """Its file and line."""
        return f"{self.place.path}:{self.node.lineno}"


def find_target(sources: Sources, reference: str, *, train: bool, where: str) -> TargetFunction:
    """Find the function that coglet calls for a reference, or raise an `InputError`. `where`: what messages about the
    reference begin with."""
    path, colon, name = reference.partition(":")
    if not colon or not path or not name:
        raise InputError(f"{where}: expected FILE.py:NAME", next_step="write, for example, predict.py:Predictor")
    path = posixpath.normpath(path)
    if path.startswith(("/", "../")) or path == "..":
        raise InputError(f"{where}: the file is outside the project", next_step="name a file of the project")
    module = sources.load(path)
    if module is None:
        raise InputError(f"{where}: no such file in the project", next_step="correct the reference in cog.yaml")
    match sources.resolve(Scope(module), ast.Name(name)) if name.isidentifier() else None:
        case Local(scope, ast.ClassDef() as node):
            return _method(sources, Local(scope, node), module, train=train)
        case Local(scope, ast.FunctionDef() | ast.AsyncFunctionDef() as node):
            own = Place.of(scope.module.path, node, f"function {name}")
            wrapped = _is_decorated(sources, scope, node)
            return TargetFunction(node=node, scope=scope, is_method=False, place=own, module=module, wrapped=wrapped)
    raise InputError(
        f"{where}: {path} has no class or function {name!r} at the top level{_meant(module, name)}",
        next_step="define it, or correct the reference in cog.yaml",
    )


def _meant(module: Module, name: str) -> str:
    """Guess what was meant: the nearest class or function of the file, else the one class that it has."""
    found = {name: bound.node for name, bound in module.names.items() if isinstance(bound, Defined)}
    classes = [name for name, node in found.items() if isinstance(node, ast.ClassDef)]
    by_case = {other.lower(): other for other in found}
    near = difflib.get_close_matches(name.lower(), by_case, n=1)
    nearest = by_case[near[0]] if near else classes[0] if len(classes) == 1 else None
    return f"; did you mean {nearest}?" if nearest else ""


def _method(sources: Sources, found: Local, module: Module, *, train: bool) -> TargetFunction:
    assert isinstance(found.node, ast.ClassDef)  # by the caller
    place = Place.of(found.scope.module.path, found.node, f"class {found.node.name}")
    methods = {name: _owned(sources, found, name) for name in ("run", "predict", "train")}
    run = methods["run"] or methods["predict"]
    notes: tuple[Note, ...] = ()
    if methods["run"] and methods["predict"]:
        raise place.error("has both run and predict, of which coglet takes one", next_step="remove one of the two")
    wanted = methods["train"] if train else run
    if wanted is None:
        what = "train method" if train else "run or predict method"
        raise place.error(
            f"has no {what}, neither its own nor of a base class in the project", next_step=f"define a {what}"
        )
    if train and run is None:
        text = (
            "has train, but coglet also wants a run or predict method before it starts in train mode: add one, or make "
            "train a function"
        )
        notes = (place.note(Code.TRAIN_ALONE, text),)
    scope, node, wrapped = wanted
    own = Place.of(scope.module.path, node, f"method {node.name}")
    for decorator in node.decorator_list:
        if sources.foreign(scope, decorator) in ("builtins.staticmethod", "builtins.classmethod"):
            raise own.error("is no ordinary method, and coglet can't load others", next_step="remove the decorator")
    wrapped = wrapped or _is_decorated(sources, scope, node)
    return TargetFunction(
        node=node, scope=scope, is_method=True, place=own, module=module, notes=notes, wrapped=wrapped
    )


def _is_decorated(sources: Sources, scope: Scope, node: Function) -> bool:
    """Tell whether a decorator may make something else of a function, as an async one, for all that is known of it."""
    for decorator in node.decorator_list:
        symbol = sources.resolve(scope, decorator.func if isinstance(decorator, ast.Call) else decorator)
        if not (isinstance(symbol, Foreign) and symbol.name.partition(".")[0] in _STAYS):
            return True
    return False


def _owned(sources: Sources, found: Local, name: str, depth: int = 0) -> tuple[Scope, Function, bool] | None:
    """Find a method of a class or of its bases in the project, left to right, and tell whether it is wrapped there;
    those behind Cog's own are not asked."""
    assert isinstance(found.node, ast.ClassDef)  # by the callers
    sources.spend(len(found.node.body))
    names = class_names(found.node)
    match names.get(name):
        case Defined(ast.FunctionDef() | ast.AsyncFunctionDef() as node):
            return found.scope.within(names), node, False
        case Assigned() | Unclear():
            wrapped = _behind(sources, found.node, name)
            if wrapped is not None:
                place = Place.of(found.scope.module.path, wrapped, f"method {name}")
                how = f"makes it of {wrapped.name}" if wrapped.name != name else "wraps it, or chooses one when it runs"
                text = f"the class {how}: the schema is of {wrapped.name} as written"
                sources.notes.append(place.note(Code.WRAPPED_METHOD, text))
                return found.scope.within(names), wrapped, _calls(found.node)
    for base in found.node.bases if depth < _MAX_BASES else ():
        symbol = sources.resolve(found.scope, base.value if isinstance(base, ast.Subscript) else base)
        if isinstance(symbol, Foreign) and symbol.name in _FRAMEWORK:
            break
        if isinstance(symbol, Local) and isinstance(symbol.node, ast.ClassDef):
            inherited = _owned(sources, symbol, name, depth + 1)
            if inherited:
                return inherited
    return None


def _calls(node: ast.ClassDef) -> bool:
    """Tell whether a class's body makes something by calls, and does more than to give functions other names."""
    return any(isinstance(one, ast.Assign) and isinstance(one.value, ast.Call) for one in statements(node.body))


def _behind(sources: Sources, node: ast.ClassDef, name: str, depth: int = 0) -> Function | None:
    """Find the method that a class's body wraps or renames: `predict = wrap(predict)`, under an `if` or not. Of several
    it is the one that has the name where it is defined, which Cog describes, too."""
    found: list[Function] = []
    for statement in statements(node.body):
        sources.spend()  # names that stand for each other, each in many places, would be followed for ever
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if statement.name == name:
                found.append(statement)
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                inner = _wrapped(value)
                if inner is None or depth > _MAX_BASES:
                    return None
                other = _behind(sources, node, inner, depth + 1) if inner != name else None
                found += [other] if other else []
    named = [one for one in found if one.name == name]
    return next((some[0] for some in (found, named) if len(set(map(_signature, some))) == 1), None)


def _signature(node: Function) -> str:
    """Write what callers see, without places: two branches of an `if` may define one method twice."""
    return f"{type(node).__name__} {ast.dump(node.args)} {ast.dump(node.returns) if node.returns else ''}"


def _wrapped(value: ast.expr) -> str | None:
    """Give the name that an expression passes on, by itself or as the first argument of calls."""
    while isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    return value.id if isinstance(value, ast.Name) else None


def is_streaming(sources: Sources, target: TargetFunction) -> bool:
    """Tell whether the function is decorated with `cog.streaming`."""
    return any(_name(sources, target, decorator) == "cog.streaming" for decorator in target.node.decorator_list)


def concurrency(sources: Sources, target: TargetFunction, *, python: tuple[int, int]) -> int | None:
    """Read N of `@concurrent(max=N)`, 1 of a bare one, None without."""
    for decorator in target.node.decorator_list:
        if _name(sources, target, decorator) != "cog.concurrent":
            continue
        place = target.place.at(decorator)
        slots = _slots(sources, target, decorator, place)
        if slots > 1 and not (target.is_async or target.wrapped):
            raise place.error(
                f"@concurrent(max={slots}) needs an async function", next_step="write async def, or remove max"
            )
        if slots > 1 and python < (3, 11):
            raise place.error(
                f"@concurrent(max={slots}) needs Python 3.11, and the model has {python[0]}.{python[1]}",
                next_step="raise build.python_version in cog.yaml",
            )
        return slots
    return None


def _slots(sources: Sources, target: TargetFunction, decorator: ast.expr, place: Place) -> int:
    if not isinstance(decorator, ast.Call):
        return 1
    advice = "write @concurrent(max=4), with a number"
    keywords = {keyword.arg: keyword.value for keyword in decorator.keywords}
    if decorator.args or set(keywords) - {"max"}:
        raise place.error("@concurrent takes max=N and nothing else", next_step=advice)
    if not keywords:
        return 1
    place = place.at(keywords["max"])
    try:
        slots = evaluate(sources, target.scope, keywords["max"])
    except Unresolved as why:
        raise place.error(f"max of @concurrent is not known without running the code: {why}", next_step=advice) from why
    if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
        raise place.error(f"max of @concurrent: expected an integer of 1 or more, got {slots!r}", next_step=advice)
    return slots


def _name(sources: Sources, target: TargetFunction, decorator: ast.expr) -> str:
    return sources.foreign(target.scope, decorator.func if isinstance(decorator, ast.Call) else decorator)
