"""Files of the project can stand in front of modules that the server needs: the working directory comes first."""

import sys

from cogpack.notes import Code, Note
from cogpack.runtime.schema.source import SourceFiles

_SERVED_WITH = ("certifi", "charset_normalizer", "cog", "coglet", "idna", "requests", "urllib3")
_HARMLESS = frozenset({"antigravity", "idlelib", "test", "this", "turtledemo"})


def shadowed(source: SourceFiles) -> list[Note]:
    """Give a note of each module of the standard library or of the server that a file in the root replaces."""
    names = sorted({*sys.stdlib_module_names, *_SERVED_WITH} - _HARMLESS)
    return [
        Note(Code.HIDDEN_MODULE, f"{path}:1: hides the module {name} from everything in the container; rename it")
        for name in names
        if not name.startswith("_")
        for path in (f"{name}.py", f"{name}/__init__.py")
        if source.read(path) is not None
    ]
