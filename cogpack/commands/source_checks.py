"""`cogpack doctor` looks for what is old in the sources of a model: rows of Cog's own doctor (replicate/cog,
`pkg/doctor`) that the schema has no word for."""

import ast
import posixpath
from collections.abc import Iterator, Mapping

from cogpack.commands.results import Check
from cogpack.project import Project
from cogpack.runtime.schema.source import parsed

_OLD = {"BasePredictor": "BaseRunner"}


def check_sources(project: Project) -> Iterator[Check]:
    """Look at the files that cog.yaml names; `InputError` where one is not there, or left out. One that can't be parsed
    is told of elsewhere."""
    config, source = project.config, project.source
    trees = {}
    for reference in filter(None, (config.predict, config.train)):
        path, _, name = reference.partition(":")
        path = posixpath.normpath(path)
        tree = parsed(source.read(path), path)
        if tree is not None:
            trees[path] = tree
            if reference == config.predict:
                yield from _old_names(path, name, tree)
    for path, tree in trees.items():
        yield from _pydantic(path, tree)


def _old_names(path: str, name: str, tree: ast.Module) -> Iterator[Check]:
    """Tell of a class of the old interface: Cog warns of it at each start (`predict-to-run-migration`)."""
    for node in _classes(tree):
        methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        old = [one for one in methods if one.name == "predict"]
        if node.name != name or not old:
            continue
        words = ["predict() for run()"]
        words += [f"{base} for {_OLD[base]}" for base in map(_last, node.bases) if base in _OLD]
        yield Check(
            name="predictor",
            verdict="advice",
            said=f"{path}:{old[0].lineno}:{old[0].col_offset + 1}: class {name} has old names: {', '.join(words)}",
            next_step="write the new ones; both work with cog 0.23, which says so at each start",
        )


def _pydantic(path: str, tree: ast.Module) -> Iterator[Check]:
    """Tell of what older Cogs made necessary for models with files (`python-pydantic-basemodel`)."""
    imported = _imported(tree)
    for node in _classes(tree):
        if any(imported.get(_dotted(base), _dotted(base)) == "pydantic.BaseModel" for base in node.bases) and any(
            map(_allows_arbitrary_types, node.body)
        ):
            yield Check(
                name="pydantic",
                verdict="advice",
                said=f"{path}:{node.lineno}:{node.col_offset + 1}: class {node.name} is a pydantic.BaseModel with "
                "arbitrary_types_allowed, which cog needs no more since 0.17, and has no pydantic for",
                next_step="make it a cog.BaseModel, and leave out model_config",
            )


def _imported(tree: ast.Module) -> Mapping[str, str]:
    """Give what names stand for that are imported."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "pydantic":
            found |= {one.asname or one.name: f"pydantic.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {f"{one.asname}.BaseModel": "pydantic.BaseModel" for one in node.names if one.name == "pydantic"}
    return found


def _allows_arbitrary_types(node: ast.stmt) -> bool:
    """Tell whether it is `model_config = ConfigDict(arbitrary_types_allowed=True)`, or a dictionary that says so."""
    match node:
        case ast.Assign(targets=[ast.Name("model_config")], value=value):
            pass
        case ast.AnnAssign(target=ast.Name("model_config"), value=ast.expr() as value):
            pass
        case _:
            return False
    pairs: list[tuple[object, ast.expr]]
    match value:
        case ast.Call(keywords=words):
            pairs = [(word.arg, word.value) for word in words]
        case ast.Dict(keys=keys, values=values):
            pairs = [(key.value, one) for key, one in zip(keys, values, strict=True) if isinstance(key, ast.Constant)]
        case _:
            return False
    return any(
        name == "arbitrary_types_allowed" and isinstance(one, ast.Constant) and one.value is True for name, one in pairs
    )


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _last(node: ast.expr) -> str:
    return _dotted(node).rpartition(".")[2]
