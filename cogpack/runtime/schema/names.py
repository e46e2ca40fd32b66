"""A name in the user's source means a class or expression of the project, or something of another package.

Imports are followed as the interpreter in the container does: from the project's root (its working directory), and
relative ones from the file's own directory. Names of other packages come out as dotted names under which they are
documented (`typing.Optional`, `cog.Path`), whatever they were renamed to.
"""

import ast
import builtins
import posixpath
import sys
import typing
from typing import TypeAlias

import msgspec

from cogpack.errors import InputError
from cogpack.notes import Note
from cogpack.runtime.schema.bindings import (
    Assigned,
    Binding,
    Defined,
    Function,
    Imported,
    Module,
    Overlaid,
    Rebound,
    Scope,
    Unclear,
    class_names,
)
from cogpack.runtime.schema.enums import Member, read_members
from cogpack.runtime.schema.source import SourceFiles, parse_module, shown

_STEPS = 200_000
"""How much is looked at for one document, all parts added up: what repeats itself in ever larger copies ends here."""

_MAX_CHAIN = 30
"""Of names that stand for names."""

_KNOWN_PACKAGES = frozenset(
    {
        *("builtins", "cog", "coglet", "collections", "dataclasses", "os", "pathlib", "pydantic", "typing"),
        "typing_extensions",
    }
)
"""Never looked up in the project: they are imported before any file of it can stand in for them."""

_HOMES = {
    "collections.abc": "typing",
    "cog._opaque": "cog",
    "cog.input": "cog",
    "cog.model": "cog",
    "cog.predictor": "cog",
    "cog.types": "cog",
    "typing_extensions": "typing",
}

_STAR_NAMES = {
    "cog": frozenset(
        {
            *("AsyncConcatenateIterator", "BaseModel", "BasePredictor", "BaseRunner", "ConcatenateIterator", "File"),
            *("Input", "Opaque", "Path", "Secret", "concurrent", "streaming"),
        }
    ),
    "dataclasses": frozenset({"dataclass", "field"}),
    "enum": frozenset({"Enum", "IntEnum", "StrEnum", "auto"}),
    "pathlib": frozenset({"Path"}),
    "pydantic": frozenset({"BaseModel", "Field"}),
    "typing": frozenset({*typing.__all__, "ReadOnly"}),
}
"""`import *` gives these, as far as it matters."""


class Foreign(msgspec.Struct, frozen=True, eq=False):
    """Is something outside the project. `looked_for`: the project's files that would have held it."""

    name: str
    looked_for: tuple[str, ...] = ()


class Local(msgspec.Struct, frozen=True, eq=False):
    """Is a class, function or expression of the project, with the scope it stands in."""

    scope: Scope
    node: ast.ClassDef | Function | ast.expr


class LocalModule(msgspec.Struct, frozen=True, eq=False):
    """Is a module or package of the project."""

    parts: tuple[str, ...]


class Unknown(msgspec.Struct, frozen=True, eq=False):
    """Says why it is not to be told. `computed`: there is something, which shows when it runs."""

    reason: str
    computed: bool = False


Symbol: TypeAlias = Foreign | Local | LocalModule | Member | Unknown


class Sources:
    """Holds the parsed files of one project, each read once, and the budget for looking at them."""

    def __init__(self, source: SourceFiles, *, python: tuple[int, int]) -> None:
        self._source = source
        self._python = python
        self._modules: dict[str, Module | None] = {}
        self._steps = _STEPS
        self.notes: list[Note] = []
        """Of values that were told by guess, and of what was left out."""
        self._searched: set[tuple[str, str]] = set()
        """Modules and names that `import *` is followed for: in a circle, each is looked at once."""

    def spend(self, steps: int = 1) -> None:
        """Count work done; too much is an `InputError`."""
        self._steps -= steps
        if self._steps < 0:
            raise InputError(
                "the predictor's types and defaults are too large to be described",
                next_step="shorten its defaults, choices and output models",
            )

    def load(self, path: str) -> Module | None:
        """Parse the module in a file, `None` where there is no such file, `InputError` where it is not Python."""
        if path not in self._modules:
            data = self._source.read(path)
            self.spend(100 + len(data or b"") // 10)
            self._modules[path] = (
                None
                if data is None
                else parse_module(path, data, python=self._python, running=(sys.version_info[0], sys.version_info[1]))
            )
        return self._modules[path]

    def resolve(self, scope: Scope, expression: ast.expr) -> Symbol:
        """Tell what a name or dotted name stands for; other expressions stand for themselves."""
        return self._resolve(scope, expression, 0)

    def foreign(self, scope: Scope, expression: ast.expr) -> str:
        """Give the dotted name of what is of another package; "" of all else."""
        symbol = self.resolve(scope, expression)
        return symbol.name if isinstance(symbol, Foreign) else ""

    def members(self, symbol: Symbol, depth: int = 0) -> "dict[str, Member] | None":
        """Give the members of an Enum, aliases too, in the order of its body; None of what is no Enum."""
        if not isinstance(symbol, Local) or not isinstance(symbol.node, ast.ClassDef) or depth > _MAX_CHAIN:
            return None
        bases = {
            base.name
            for expression in symbol.node.bases
            if isinstance(base := self._resolve(symbol.scope, expression, depth + 1), Foreign)
        }
        members = read_members(symbol.scope, symbol.node, bases, python=self._python)
        self.spend(len(members or ()))
        return members

    def _resolve(self, scope: Scope, expression: ast.expr, depth: int) -> Symbol:
        self.spend()
        if depth > _MAX_CHAIN:
            return Unknown("it is defined by itself, or through too many names")
        match expression:
            case ast.Name(id=name):
                for names in scope.inner:
                    if name in names:
                        return self._bound(scope, names[name], depth)
                found = self._global(scope.module, name, depth)
                if found is None and hasattr(builtins, name):
                    return Foreign(f"builtins.{name}")
                return found or Unknown(
                    f"{name} is not defined in {scope.module.path}", computed=_is_open(scope.module)
                )
            case ast.Attribute(value=owner, attr=name):
                return self._attribute(self._resolve(scope, owner, depth + 1), name, depth)
            case _:
                return Local(scope, expression)

    def _global(self, module: Module, name: str, depth: int) -> Symbol | None:
        """Find a module's own name, one that `import *` gives it, or None."""
        if name in module.names:
            return self._bound(Scope(module), module.names[name], depth)
        place = (module.path, name)
        if place in self._searched:
            return None
        self._searched.add(place)
        try:
            return self._of_stars(module, name, depth)
        finally:
            self._searched.discard(place)

    def _of_stars(self, module: Module, name: str, depth: int) -> Symbol | None:
        for star in module.stars:
            found = self._of_star(module, star, name, depth)
            if isinstance(found, Local) or (found and _HOMES.get(star.module, star.module) in _STAR_NAMES):
                return found
        return None

    def _of_star(self, module: Module, star: Imported, name: str, depth: int) -> Symbol | None:
        home = _HOMES.get(star.module, star.module)
        if home in _STAR_NAMES:
            return Foreign(f"{home}.{name}") if name in _STAR_NAMES[home] else None
        return self._imported(module, Imported(star.module, name, star.level, star.line), depth)

    def _overlaid(self, scope: Scope, bound: Overlaid, depth: int) -> Symbol:
        before = self._bound(scope, bound.binding, depth)
        place = (scope.module.path, bound.name)
        if place in self._searched or bound.name.startswith("_"):
            return before
        self._searched.add(place)
        for star in scope.module.stars[bound.first :]:
            before = self._laid_over(scope.module, before, bound, star, depth + 1)
        self._searched.discard(place)  # not needed after an error, which ends all
        return before

    def _laid_over(self, module: Module, before: Symbol, bound: Overlaid, star: Imported, depth: int) -> Symbol:
        after, exported = (self._of_star(module, star, name, depth) for name in (bound.name, "__all__"))
        if after is None or isinstance(after, LocalModule) or _is_same(before, after):
            return before
        if isinstance(after, Foreign) and after.name == f"{star.module}.{bound.name}":
            after = Unknown("another package may have it", computed=True)
        if isinstance(after, Unknown) and not after.computed:
            return before
        is_sure = not isinstance(after, Unknown) and not isinstance(exported, Local)
        if (_is_value(before) or _is_value(after)) and (bound.used or not is_sure):
            return Unknown(f"{bound.name} may be bound again by import * of {star.module}", computed=True)
        return after if is_sure else before

    def _bound(self, scope: Scope, binding: Binding, depth: int) -> Symbol:
        match binding:
            case Defined(node):
                return Local(Scope(scope.module), node)
            case Assigned(node, other):
                return self._resolve(other or scope, node, depth + 1)
            case Imported():
                return self._imported(scope.module, binding, depth)
            case Unclear(reason):
                return Unknown(reason, computed=True)
            case Rebound(last, reason):
                symbol = self._bound(scope, last, depth)
                return Unknown(reason, computed=True) if _is_value(symbol) else symbol
            case Overlaid():
                return self._overlaid(scope, binding, depth)

    def _imported(self, module: Module, imported: Imported, depth: int) -> Symbol:
        parts = tuple(imported.module.split(".")) if imported.module else ()
        if imported.level:
            directory = tuple(part for part in posixpath.dirname(module.path).split("/") if part)
            keep = len(directory) - (imported.level - 1)
            if keep < 0:
                return Unknown(f"the relative import in line {imported.line} of {module.path} leaves the project")
            parts = directory[:keep] + parts
        elif parts[0] in _KNOWN_PACKAGES:
            return _foreign(".".join((*parts, imported.name) if imported.name else parts))
        if imported.name is None:
            # The first part of `import a.b` is enough: what follows is found by its own files.
            return LocalModule(parts)
        found = self._member(parts, imported.name, depth)
        if imported.level and isinstance(found, Foreign):
            return Unknown("the project has no " + " or ".join(reversed(found.looked_for)))
        return found

    def _member(self, parts: tuple[str, ...], name: str, depth: int) -> Symbol:
        """Find `name` of the project's module `parts`, of its submodules, or of another package."""
        if depth > _MAX_CHAIN:
            return Unknown("it is imported in a circle, or through too many files")
        self.spend(20)
        candidates = _files(parts)
        module = next((found for found in map(self.load, candidates) if found is not None), None)
        symbol = self._global(module, name, depth + 1) if module else None
        if symbol is not None:
            return symbol
        if any(self.load(path) is not None for path in _files((*parts, name))):
            return LocalModule((*parts, name))
        if module is not None:
            return Unknown(f"{module.path} has no {name}", computed=_is_open(module))
        return _foreign(".".join((*parts, name)), candidates)

    def _attribute(self, owner: Symbol, name: str, depth: int) -> Symbol:
        match owner:
            case Foreign(dotted, looked_for):
                return _foreign(f"{dotted}.{name}", looked_for)
            case LocalModule(parts):
                return self._member(parts, name, depth + 1)
            case Local(scope, ast.ClassDef() as node):
                return self._class_attribute(scope, node, name, depth)
            case Member(own, _, scope, node):
                if name in ("value", "name"):
                    return Local(scope, node if name == "value" else ast.Constant(own))
                return Unknown(f"a member of an Enum has value and name, and {name} is not followed", computed=True)
            case Local(_, node):
                return Unknown(f"attributes of {shown(node)} are not followed", computed=True)
            case Unknown():
                return owner

    def _class_attribute(self, scope: Scope, node: ast.ClassDef, name: str, depth: int) -> Symbol:
        members = self.members(Local(scope, node), depth)
        if members and name in members:
            return members[name]
        if node.bases or node.keywords:
            return Unknown(f"attributes of {node.name}, which has base classes, are not followed", computed=True)
        names = class_names(node)
        self.spend(len(names))
        if name not in names:
            changed = bool(node.decorator_list) or hasattr(type, name)
            return Unknown(f"class {node.name} has no attribute {name}", computed=changed)
        return self._bound(scope.within(names), names[name], depth)


def _is_value(symbol: Symbol) -> bool:
    return isinstance(symbol, Member) or (isinstance(symbol, Local) and isinstance(symbol.node, ast.expr))


def _is_same(one: Symbol, other: Symbol) -> bool:
    if isinstance(one, Foreign) and isinstance(other, Foreign):
        return one.name == other.name
    return isinstance(one, Local) and isinstance(other, Local) and one.node is other.node


def _is_open(module: Module) -> bool:
    """Tell whether a module may have names that are not seen in it."""
    stars = (_HOMES.get(star.module, star.module) for star in module.stars)
    return "__getattr__" in module.names or any(home not in ("cog", "typing") for home in stars)


def _files(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Name where a module's code can be, as the import system looks for it."""
    path = "/".join(parts)
    return (f"{path}/__init__.py", f"{path}.py") if path else ("__init__.py",)


def _foreign(dotted: str, looked_for: tuple[str, ...] = ()) -> Foreign:
    module, _, name = dotted.rpartition(".")
    return Foreign(f"{_HOMES[module]}.{name}" if module in _HOMES else dotted, looked_for)
