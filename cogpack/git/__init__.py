"""Repositories of others are read as git reads them, and what is read is held to its names.

`program`: the machine's git, run without harm · `mirror`: copies of repositories in the cache · `refs`: what a server
says it has, and what `git clone` makes of it · `objects`: commits, trees and tags, taken apart · `reader`: objects of a
copy, verified · `submodules` and `attributes`: what a tree says of itself.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.git.objects import (
        EXECUTABLE,
        FILE,
        GITLINK,
        SYMLINK,
        TREE,
        Commit,
        Kind,
        NotExactError,
        TreeEntry,
        checked_entries,
        is_special_link,
        parse_commit,
        parse_tag,
        raw_entries,
    )
    from cogpack.git.program import Git
    from cogpack.git.reader import Objects

__all__ = [
    "EXECUTABLE",
    "FILE",
    "GITLINK",
    "SYMLINK",
    "TREE",
    "Commit",
    "Git",
    "Kind",
    "NotExactError",
    "Objects",
    "TreeEntry",
    "checked_entries",
    "is_special_link",
    "parse_commit",
    "parse_tag",
    "raw_entries",
]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "objects": (
                "EXECUTABLE",
                "FILE",
                "GITLINK",
                "SYMLINK",
                "TREE",
                "Commit",
                "Kind",
                "NotExactError",
                "TreeEntry",
                "checked_entries",
                "is_special_link",
                "parse_commit",
                "parse_tag",
                "raw_entries",
            ),
            "program": ("Git",),
            "reader": ("Objects",),
        },
    )
