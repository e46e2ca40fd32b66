"""Requirements files are read as Cog's users write them: text in, structure out. No disk, no environment.

The language is pip's (pip docs, "Requirements File Format"; PEP 508 for each line) with Cog's additions: index options
on a requirement's own line, and lines for `cog` itself, which the tool provides. What names source code (`sources`) is
told apart. Nested files are named, not read: the caller does that.

`files` reads a file by what its name says: so are `pyproject`, `pylock` and `uv_lock`, as lines of that language.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.requirements.files import has_sets, is_lock, parse_file
    from cogpack.requirements.model import (
        ALL,
        ARCHIVES,
        VARIABLE,
        ArchiveAddress,
        DirectAddress,
        GitAddress,
        Include,
        LocalLinks,
        LocalPath,
        LocalWheel,
        Options,
        RequirementLine,
        Requirements,
        Selection,
        SourceLine,
        UnexpandedAddress,
    )
    from cogpack.requirements.parse import parse_requirements

__all__ = [
    "ALL",
    "ARCHIVES",
    "VARIABLE",
    "ArchiveAddress",
    "DirectAddress",
    "GitAddress",
    "Include",
    "LocalLinks",
    "LocalPath",
    "LocalWheel",
    "Options",
    "RequirementLine",
    "Requirements",
    "Selection",
    "SourceLine",
    "UnexpandedAddress",
    "has_sets",
    "is_lock",
    "parse_file",
    "parse_requirements",
]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "files": ("has_sets", "is_lock", "parse_file"),
            "model": (
                "ALL",
                "ARCHIVES",
                "VARIABLE",
                "ArchiveAddress",
                "DirectAddress",
                "GitAddress",
                "Include",
                "LocalLinks",
                "LocalPath",
                "LocalWheel",
                "Options",
                "RequirementLine",
                "Requirements",
                "Selection",
                "SourceLine",
                "UnexpandedAddress",
            ),
            "parse": ("parse_requirements",),
        },
    )
