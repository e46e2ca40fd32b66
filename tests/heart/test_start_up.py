"""What a push loads where all is as it was: a module more is a third of a millisecond more of each."""

import os
import subprocess
import sys
from pathlib import Path

from support.world import Project

PROGRAM = """\
import sys
sys.modules["click"] = None  # the tests' own: with it, httpx loads a program of its own
from cogpack.cli import run
code = run(sys.argv[1:])
print(*sys.modules, sep="\\n")
sys.exit(code)
"""
DECIDES = {"cogpack.locking.decide", "cogpack.locking.lines.decide", "html.parser", "packaging.pylock"}
SHOWS = {"rich", "pygments", "cogpack.commands.lock"}
CLEANS = {"cogpack.cache.sweep"}
RUNS = {"cogpack.sandbox.guest", "cogpack.planning.building", "cogpack.running"}
ASKS = {"cogpack.resolve.weights.gs", "cogpack.resolve.weights.s3"}


def loaded_by_a_push(pushed: Project, **more: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "push", pushed.target()],
        cwd=pushed.root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **pushed.world.environment, **more},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sent nothing" in done.stderr
    return {*done.stdout.splitlines()}


def test_a_push_of_nothing_new_loads_nothing_that_decides_runs_or_shows(pushed: Project) -> None:
    loaded = loaded_by_a_push(pushed)
    unwanted = DECIDES | SHOWS | CLEANS | RUNS | ASKS
    assert loaded & unwanted == set()
    assert len([name for name in loaded if name.startswith("cogpack")]) < 365
    assert len(loaded) < 651


def test_where_a_directory_names_authorities_only_who_starts_a_program_reads_it(pushed: Project) -> None:
    assert "cogpack.http.cog_authorities" not in loaded_by_a_push(pushed, SSL_CERT_DIR=str(pushed.root))


def test_a_pull_loads_nothing_that_reads_a_config(pushed: Project, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "pull", pushed.target(), "-o", str(tmp_path / "layout")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **pushed.world.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {*done.stdout.splitlines()} & {"yaml", "cogpack.config.parse"} == set()
