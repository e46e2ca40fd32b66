"""A copy of a repository in the cache, and what of it a killed process may leave."""

import os
import shutil
from pathlib import Path

from cogpack.git.mirror import Mirrors
from cogpack.git.program import Git
from cogpack.progress import SILENT, Cancellation


def test_a_copy_that_was_half_made_is_made_whole(tmp_path: Path) -> None:
    git = Git(os.environ, Cancellation())
    mirrors = Mirrors(
        git,
        lambda: tmp_path,
        mapped=lambda url: url,
        used=lambda _: None,
        progress=SILENT,
        cancellation=Cancellation(),
    )
    place = mirrors.directory("https://git.test/x", [])
    shutil.rmtree(place / "objects")  # as git was killed: it has a HEAD already
    assert git("count-objects", directory=mirrors.directory("https://git.test/x", [])) == b"0 objects, 0 kilobytes\n"
