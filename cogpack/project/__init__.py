"""A project is read here: `cog.yaml`, found upward, the files that go into the image, what `cogpack.lock` depends on.

All of it is read once per `Project`. The directory is only read, and nothing outside it is.

`project`: the whole · `finding`: where it is · `files`: the walk, by `ignore`, `caches` and `links` · `rows`: what it
has found · `weights`, `lfs`: which files are weights, and which only pointers · `weight_splits`: how they are split ·
`inputs`: what the lock depends on · `secrets`: what looks like one · `git`: of which commit it is · `platforms`: the
project for one of them.
"""

from cogpack.project.finding import find_project
from cogpack.project.inputs import read_key
from cogpack.project.lfs import LfsPointer, lfs_pointer
from cogpack.project.platforms import each_platform, for_platforms
from cogpack.project.project import Project
from cogpack.project.rows import Files, ProjectFile
from cogpack.project.weights import not_fetched, unused_patterns
