"""Where a model's sources write, as far as literals tell: read by `ast`, never run. A container whose root can't be
written wants a volume at each of these."""

import ast
import posixpath
import warnings
from collections.abc import Iterator, Mapping

import msgspec

from cogpack.runtime.contract import WORKING_DIRECTORY
from cogpack.runtime.schema.source import MAX_BYTES

HOME = "/home/model"
"""What `~` stands for where the container's HOME is this."""

_KEYWORDS = frozenset({"cache_dir", "local_dir", "output_dir", "download_root", "save_dir", "dest_dir"})
"""Arguments by which libraries are told where to put what they download or make."""
_MAKING = frozenset({"makedirs", "mkdir"})
_FILES = frozenset({"urlretrieve", "download_url_to_file"})
"""Functions whose second argument is a file that they write."""


class Written(msgspec.Struct, frozen=True, order=True):
    """Says that something is written in `directory`, an absolute path of the image, at `place`, a file and line."""

    directory: str
    place: str


def written_directories(sources: Mapping[str, bytes]) -> list[Written]:
    """Find them in all `sources`, by path; of each directory the first place. What lies in another comes after it."""
    found: dict[str, str] = {}
    for path, data in sorted(sources.items()):
        for directory, line in _read(path, data):
            found.setdefault(directory, f"{path}:{line}")
    return [Written(directory, place) for directory, place in sorted(found.items())]


def is_in(path: str, directory: str) -> bool:
    """Tell whether `path` is `directory` or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _read(path: str, data: bytes) -> Iterator[tuple[str, int]]:
    if len(data) > MAX_BYTES:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data, path)
        yield from _Reader(tree).directories()
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return  # who checks the predictor tells of it


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._bound: dict[str, ast.expr | None] = {}  # None: bound more than once
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._bound[target.id] = None if target.id in self._bound else node.value

    def directories(self) -> Iterator[tuple[str, int]]:
        for node in ast.walk(self._tree):
            for expression, is_file in _places(node):
                text = self._text(expression, 0)
                if text is None:
                    continue
                directory = _absolute((posixpath.dirname(text) or ".") if is_file else text)
                if directory is not None:
                    yield directory, expression.lineno

    def _text(self, node: ast.expr, depth: int) -> str | None:
        """Follow an expression to the path that it is: literals, names bound once, os.path.join, Path and `/`."""
        if depth > 20:
            return None
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name):
                bound = self._bound.get(name)
                return None if bound is None else self._text(bound, depth + 1)
            case ast.Call(func=ast.Attribute(attr="expanduser" | "resolve" | "absolute", value=value), args=[]):
                return self._text(value, depth + 1)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                parts = [left, right]
            case ast.Call(func=ast.Attribute(attr="join" | "expanduser") | ast.Name(id="Path"), args=args) if args:
                parts = args
            case ast.Call(func=ast.Attribute(attr="Path"), args=args) if args:
                parts = args
            case ast.Call(func=ast.Name(id="str"), args=[arg]):
                parts = [arg]
            case _:
                return None
        texts = [self._text(part, depth + 1) for part in parts]
        known = [text for text in texts if text is not None]
        return posixpath.join(*known) if len(known) == len(texts) else None


def _places(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """Give the expressions that say where something is written, and whether each is a file."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name, value=value), args=args) if name in _MAKING:
            yield (args[0] if isinstance(value, ast.Name) and value.id == "os" and args else value), False
        case ast.Call(func=ast.Name(id="open"), args=[path, ast.Constant(value=str(mode)), *_]):
            if set(mode) & set("wax+"):
                yield path, True
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
