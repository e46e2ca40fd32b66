"""A Python file of a project becomes a tree, where that matters less than what else is known without it."""

import ast
import warnings

from cogpack.runtime.schema.source import MAX_BYTES, count_characters


def parsed(data: bytes | None, path: str) -> ast.Module | None:
    """Parse a file, columns in characters; None of one that can't be read, of which who checks the predictor tells."""
    if data is None or len(data) > MAX_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text: str | None = None
            try:
                tree = ast.parse(data, path)
            except SyntaxError:
                from cogpack.runtime.newer_syntax import NEWEST, parse_newer  # few models need it

                tree, text = parse_newer(data, path, python=NEWEST)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
    if not (text or data).isascii():
        count_characters(tree, data, text)
    return tree
