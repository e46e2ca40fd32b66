"""The same commands in the environments that people have: each takes its own rung, and leaves the same files.

Containers are stood in for: their capabilities, and a filter that refuses what theirs does.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support.guests import SCRIPT, check_left, need, proot

from cogpack.sandbox.rungs.choice import Rung

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be who it likes, in a container or out of it"),
]

PROGRAM = Path(__file__).parents[1] / "support" / "guest_program.py"
USER = 1000


@cache
def interpreter(uid: int) -> str | None:
    """A Python that this user may start, which need not be ours: that may lie in root's home."""
    for program in (sys.executable, "/usr/bin/python3"):
        try:
            command = [program, "-c", "import sys; print(sys.version_info[:2])"]
            found = subprocess.run(command, user=uid, capture_output=True)
        except OSError:
            continue
        if found.stdout.decode().strip() == str(sys.version_info[:2]):
            return program
    return None


@pytest.fixture
def place(programs: Path) -> Iterator[Path]:
    """A directory with a tree that another user can get to, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="guests-") as place:
        shutil.copytree(programs, Path(place, "tree"), symlinks=True)
        yield Path(place)


@pytest.mark.parametrize(
    ("uid", "container", "rung"),
    [(0, False, Rung.ROOT), (USER, False, Rung.USERNS), (0, True, Rung.CHROOT), (USER, True, Rung.PROOT)],
    ids=["root", "user", "container", "user-in-container"],
)
def test_each_environment_has_a_rung_and_all_leave_the_same_files(
    place: Path, uid: int, container: bool, rung: Rung
) -> None:
    tree = place / "tree"
    need(rung, place)
    if (python := interpreter(uid)) is None:
        pytest.skip("no Python of this version that another user may start")
    for path in (*place.rglob("*"), place):
        os.chown(path, uid, uid, follow_symlinks=False)
    found = proot()
    spec = {"tree": str(tree), "rung": "auto", "script": SCRIPT, "uid": uid, "container": container}
    done = subprocess.run(
        [python, str(PROGRAM), json.dumps(spec | {"proot": found.command if found else ()})],
        env={"PACKAGES": ":".join(path for path in sys.path if path.endswith("-packages"))},
        stdout=subprocess.PIPE,
        check=True,
    )
    check_left(tree, done.stdout.decode(), rung, uid)
