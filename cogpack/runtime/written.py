"""Where a model's sources write, as far as literals tell: read by `ast`, never run. A container whose root can't be
written wants a volume at each of these."""

import ast
import posixpath
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cogpack.runtime.contract import WORKING_DIRECTORY
from cogpack.runtime.path_values import PathValues
from cogpack.runtime.schema.source import parsed

HOME = "/home/model"
"""What `~` stands for where the container's HOME is this."""

_KEYWORDS = frozenset({"cache_dir", "local_dir", "output_dir", "download_root", "save_dir", "dest_dir"})
"""Arguments by which libraries are told where to put what they download or make."""
_MAKING = frozenset({"makedirs", "mkdir"})
_FILES = frozenset({"urlretrieve", "download_url_to_file"})
"""Functions whose second argument is a file that they write."""


class Written(msgspec.Struct, frozen=True, order=True):
    """Says that something is written in `directory`, an absolute path of the image, at `place`: file, line, column."""

    directory: str
    place: str


def written_directories(sources: Mapping[str, bytes]) -> list[Written]:
    """Find them in all `sources`, by path; of each directory the first place. What lies in another comes after it."""
    found: dict[str, str] = {}
    for path, data in sorted(sources.items()):
        if tree := parsed(data, path):
            for directory, node in _directories(tree, path):
                found.setdefault(directory, f"{path}:{node.lineno}:{node.col_offset + 1}")
    return [Written(directory, place) for directory, place in sorted(found.items())]


def is_in(path: str, directory: str) -> bool:
    """Tell whether `path` is `directory` or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _directories(tree: ast.Module, path: str) -> Iterator[tuple[str, ast.expr]]:
    values = PathValues(tree, path)
    for node in ast.walk(tree):
        for expression, is_file in _places(node):
            text = values.of(expression)
            if text is None:
                continue
            directory = _absolute((posixpath.dirname(text) or ".") if is_file else text)
            if directory is not None:
                yield directory, expression


def _places(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """Give the expressions that say where something is written, and whether each is a file."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name, value=value), args=args) if name in _MAKING:
            yield (args[0] if isinstance(value, ast.Name) and value.id == "os" and args else value), False
        case ast.Call(func=ast.Name(id=name), args=[path, *_]) if name in _MAKING:
            yield path, False
        case ast.Call(func=ast.Name(id="open"), args=[path, *rest], keywords=named) if _writes(rest, named):
            yield path, True
        case ast.Call(func=ast.Attribute(attr="open", value=value), args=rest, keywords=named) if _writes(rest, named):
            yield value, True
        case ast.Call(func=ast.Attribute(attr="write_bytes" | "write_text", value=value)):
            yield value, True
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[_, path, *_]) if name in _FILES:
            yield path, True
        case ast.Assign(targets=[ast.Subscript(value=ast.Attribute(attr="environ"), slice=slice_)], value=value):
            match slice_:
                case ast.Constant(value=str(name)) if name.endswith(("_HOME", "_CACHE", "_CACHE_DIR")):
                    yield value, False
    if isinstance(node, ast.Call):
        yield from ((keyword.value, False) for keyword in node.keywords if keyword.arg in _KEYWORDS)


def _writes(modes: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> bool:
    """Tell whether a file is opened for writing; `modes`: the arguments from where its mode is."""
    for mode in (*modes[:1], *(keyword.value for keyword in keywords if keyword.arg == "mode")):
        match mode:
            case ast.Constant(value=str(text)) if set(text) & set("wax+"):
                return True
    return False


def _absolute(path: str) -> str | None:
    """Say where a path is for a model that runs in its working directory; None of what is none, or leads out of it."""
    if not path.isprintable() or not path or "://" in path:
        return None
    if path == "~" or path.startswith("~/"):
        path = HOME + path[1:]
    elif not path.startswith("/"):
        path = f"{WORKING_DIRECTORY}/{path}"
    found = posixpath.normpath(path)
    return None if found in ("/", "//") else "/" + found.strip("/")
