"""Requirements files are read as Cog's users write them: text in, structure out. No disk, no environment.

The language is pip's (pip docs, "Requirements File Format"; PEP 508 for each line) with Cog's additions: index options
on a requirement's own line, and lines for `cog` itself, which the tool provides. What would run code to install
(source trees, sdists, version control) is refused. Nested files are named, not read: the caller does that.
"""

from cogpack.requirements.model import (
    VARIABLE,
    Include,
    LocalLinks,
    LocalWheel,
    Options,
    RequirementLine,
    Requirements,
    UnexpandedAddress,
)
from cogpack.requirements.parse import parse_requirements

__all__ = [
    "VARIABLE",
    "Include",
    "LocalLinks",
    "LocalWheel",
    "Options",
    "RequirementLine",
    "Requirements",
    "UnexpandedAddress",
    "parse_requirements",
]
