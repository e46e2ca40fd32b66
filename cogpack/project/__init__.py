"""The project directory: `cog.yaml` found upward, the files that go into the image, what `cogpack.lock` depends on.

All of it is read once per `Project`. The directory is only read, and nothing outside it is.
"""

from cogpack.project.files import ProjectFile
from cogpack.project.lfs import LfsPointer, lfs_pointer
from cogpack.project.project import Project, find_project
from cogpack.project.split import GGUF_PART, Choice, Rule, SplitRules, gguf_part, index_path
from cogpack.project.weights import not_fetched, unused_patterns

__all__ = [
    "GGUF_PART",
    "Choice",
    "LfsPointer",
    "Project",
    "ProjectFile",
    "Rule",
    "SplitRules",
    "find_project",
    "gguf_part",
    "index_path",
    "lfs_pointer",
    "not_fetched",
    "unused_patterns",
]
