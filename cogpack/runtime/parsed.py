"""A Python file of a project becomes a tree, where that matters less than what else is known without it."""

import ast
import warnings

from cogpack.runtime.schema.source import MAX_BYTES


def parsed(data: bytes | None, path: str) -> ast.Module | None:
    """Parse a file; None of one that can't be read, of which who checks the predictor tells."""
    if data is None or len(data) > MAX_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data, path)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
