"""What a tree's `.gitattributes` have git do to files on their way into a working tree (gitattributes(5))."""

import re
from collections.abc import Iterable
from pathlib import Path

from cogpack.git.objects import NotExactError
from cogpack.git.program import Git
from cogpack.temporary import temporary_directory

_WORDS = re.compile(rb"filter|ident|eol|crlf|working-tree-encoding")
_NAMES = ("filter", "ident", "eol", "crlf", "working-tree-encoding")
_UNTOUCHED = {
    "ident": ("unspecified", "unset"),
    "eol": ("unspecified", "unset", "lf"),
    "crlf": ("unspecified", "unset", "set", "input"),
    "working-tree-encoding": ("unspecified", "unset", "set"),
}
"""With which values a file is written as it is, on Linux."""


def says_something(data: bytes) -> bool:
    """Tell whether a `.gitattributes` can change what is written."""
    return bool(_WORDS.search(data))


def filtered(git: Git, place: Path, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """Give the filters of files, by path; what else changes them on their way is `NotExactError`."""
    with temporary_directory() as scratch:
        variables = {"GIT_INDEX_FILE": f"{scratch}/index"}
        git("read-tree", commit, directory=place, variables=variables)
        data = "".join(f"{path}\0" for path in paths).encode()
        words = ("check-attr", "--cached", "--stdin", "-z", *_NAMES)
        said = git(*words, directory=place, variables=variables, data=data).decode().split("\0")
    filters: dict[str, str] = {}
    for path, name, value in zip(said[::3], said[1::3], said[2::3], strict=False):
        if name == "filter":
            if value not in ("unspecified", "unset", "set"):
                filters[path] = value
        elif value not in _UNTOUCHED[name]:
            raise NotExactError(f"its .gitattributes give {path!r} {name}={value!r}")
    return filters
