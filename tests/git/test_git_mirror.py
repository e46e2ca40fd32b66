"""A copy of a repository in the cache, and what of it a killed process may leave."""

import os
import shutil
from pathlib import Path

from support.git_server import mirrors_in

from cogpack.git.program import Git
from cogpack.progress import Cancellation


def test_a_copy_that_was_half_made_is_made_whole(tmp_path: Path) -> None:
    git = Git(os.environ, Cancellation())
    mirrors = mirrors_in(git, tmp_path)
    place = mirrors.directory("https://git.test/x", [])
    shutil.rmtree(place / "objects")  # as git was killed: it has a HEAD already
    assert git("count-objects", directory=mirrors.directory("https://git.test/x", [])) == b"0 objects, 0 kilobytes\n"
