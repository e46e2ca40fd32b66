"""What a lock has unasked is where a new one begins, as long as cog.yaml asks for the same."""

from pathlib import Path

import msgspec
import pytest
from locking.test_decide_base import BOOKWORM, requested
from locking.test_deviations import wheel

from cogpack.config import Suite
from cogpack.lockfile import Decisions, LockedExecutableStack
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.lockfile.unasked import LockedUnasked
from cogpack.locking.fitting import decide_fitting
from cogpack.locking.unasked import Unasked
from cogpack.project import find_project
from cogpack.session import Session, Settings

BOTH = ("g++", "libpython3.13-dev")
COMPILER = LockedUnasked(packages=BOTH, why="predict.py names torch.compile, which compiles C++ when the model runs")
TORCH = wheel("torch", "1")
STACKS = (LockedExecutableStack(wheel=TORCH.filename, library="large.so"),)


def begun(
    root: Path, base: DebianBase, build: str, *, pack: str = "", stacks: tuple[LockedExecutableStack, ...] = ()
) -> list[tuple[Suite | None, tuple[str, ...]]]:
    """Give the suites, and the compilers over them, that are decided where a lock has one unasked over `base`."""
    (root / "cog.yaml").write_text(f"predict: predict.py:P\nbuild: {{{build}}}\n{pack}")
    (root / "predict.py").write_text("import torch\ntorch.compile\n")
    tries: list[tuple[Suite | None, tuple[str, ...]]] = []

    def decide(suite: Suite | None, /, *, unasked: Unasked | None) -> Decisions:
        unasked = unasked or Unasked()
        tries.append((suite, unasked.compiler_packages))
        below = requested(*unasked.compiler_packages)
        over = msgspec.structs.replace(below.system_packages, compiler=unasked.compiler_packages)
        below = BOOKWORM if suite == "bookworm" else msgspec.structs.replace(below, system_packages=over)
        return Decisions(base=below, wheels=(TORCH,), clashes=(), compiler=unasked.compiler, executable_stacks=stacks)

    kept = Decisions(base=base, wheels=(TORCH,), clashes=(), compiler=COMPILER)
    with Session(Settings(environment={}, cache=root / "cache")) as session:
        decide_fitting(session, find_project(root), kept, decide)
    return tries


@pytest.mark.parametrize(
    ("names", "build", "pack"),
    [
        (BOTH, "", ""),
        ((*BOTH, "git"), "system_packages: [git]", ""),
        ((*BOTH, "git"), "system_packages: [git, libcudnn8]", ""),
        ((*BOTH, "git", "g++-12"), "system_packages: [git]", "cogpack: {cuda_toolkit: image}\n"),
    ],
)
def test_it_begins_with_what_the_lock_has(tmp_path: Path, names: tuple[str, ...], build: str, pack: str) -> None:
    assert begun(tmp_path, requested(*names), build, pack=pack)[0] == ("trixie", BOTH)


@pytest.mark.parametrize(
    ("names", "build"),
    [
        ((*BOTH, "git"), ""),
        (BOTH, "system_packages: [git]"),
        (BOTH, "system_packages: [g++]"),
        (BOTH, "python_version: '3.12'"),
        (("git",), "system_packages: [git]"),
    ],
)
def test_it_begins_with_nothing_where_other_packages_or_another_python_are_asked_for(
    tmp_path: Path, names: tuple[str, ...], build: str
) -> None:
    assert begun(tmp_path, requested(*names), build)[0] == ("trixie", ())


def test_a_name_that_took_the_place_of_another_counts_as_that(tmp_path: Path) -> None:
    base = requested(*BOTH, "libglib2.0-0t64")
    assert begun(tmp_path, base, "system_packages: [libglib2.0-0]")[0] == ("trixie", BOTH)


def test_packages_of_one_suite_are_not_asked_of_another(tmp_path: Path) -> None:
    assert begun(tmp_path, requested(*BOTH), "", pack="cogpack: {base: 'debian:bookworm'}\n")[0] == (None, ())
    tries = begun(tmp_path, requested(*BOTH), "", stacks=STACKS)
    assert tries[:2] == [("trixie", BOTH), ("bookworm", ())]
