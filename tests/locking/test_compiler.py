"""A model that compiles when it runs has a compiler and Python's headers, and the lock says why."""

from pathlib import Path

import msgspec
import pytest
from locking.test_decide_base import IMAGE, requested
from locking.test_deviations import wheel

from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import Base
from cogpack.lockfile.unasked import LockedUnasked
from cogpack.locking.compiler import compiler_for
from cogpack.locking.unasked import other_unasked, unasked_lines, unasked_notes
from cogpack.notes import Code
from cogpack.project import find_project

COMPILED = "import torch\nf = torch.compile(f)\n"
BOTH = ("g++", "libpython3.13-dev")


def decided(
    root: Path, source: str, *names: str, base: Base | None = None, setting: str = "", build: str = ""
) -> LockedUnasked | None:
    (root / "cog.yaml").write_text(f"predict: predict.py:P\n{build}{setting and f'cogpack: {{compiler: {setting}}}'}\n")
    (root / "predict.py").write_text(source)
    wheels = tuple(wheel(name, "1") for name in ("cog", *names))
    return compiler_for(find_project(root), Decisions(base=base or requested("libc6"), wheels=wheels, clashes=()))


@pytest.mark.parametrize(
    ("source", "wheels", "why"),
    [
        (COMPILED, ["torch"], "predict.py names torch.compile, which compiles C++"),
        ("from torch import compile\n", ["torch"], "predict.py names torch.compile, which compiles C++"),
        ("import triton\n", ["torch", "triton"], "predict.py imports triton, which compiles C"),
        ("import vllm\n", ["torch", "triton", "vllm"], "vllm 1 compiles C by triton"),
    ],
)
def test_what_compiles_at_run_time_has_a_compiler_and_pythons_headers(
    tmp_path: Path, source: str, wheels: list[str], why: str
) -> None:
    assert decided(tmp_path, source, *wheels) == LockedUnasked(packages=BOTH, why=f"{why} when the model runs")
    assert decided(tmp_path, source, *wheels, setting="auto") is not None
    assert decided(tmp_path, source, *wheels, setting="false") is None
    assert decided(tmp_path, source, *wheels, base=IMAGE) is None
    assert decided(tmp_path, source) is None


def test_who_has_torch_and_compiles_nothing_has_no_compiler_unless_it_is_asked_for(tmp_path: Path) -> None:
    source = "import re\nimport torch\nre.compile('x')\nmodel.compile()\n"
    assert decided(tmp_path, source, "torch", "triton") is None
    found = decided(tmp_path, source, "torch", "triton", setting="true")
    assert found == LockedUnasked(packages=BOTH, why="cog.yaml wants it")


def test_what_was_asked_for_or_a_command_brings_is_not_added_again(tmp_path: Path) -> None:
    assert decided(tmp_path, COMPILED, "torch", base=requested(*BOTH)) is None
    for clang in ("clang-19", "clang-6.0", "clang-3.9"):
        found = decided(tmp_path, COMPILED, "torch", base=requested(clang))
        assert found is not None
        assert found.packages == ("libpython3.13-dev",), clang
    found = decided(tmp_path, COMPILED, "torch", base=requested("clang-format-19"))
    assert found is not None
    assert found.packages == BOTH
    build = "build:\n  run:\n    - apt-get install -y g++ libpython3.13-dev\n"
    assert decided(tmp_path, COMPILED, "torch", build=build) is None


def test_what_was_added_before_does_not_count_as_there_and_is_told_with_its_size(tmp_path: Path) -> None:
    base = requested(*BOTH, "libc6")
    over = msgspec.structs.replace(base.system_packages, compiler=BOTH)
    base = msgspec.structs.replace(base, system_packages=over)
    found = decided(tmp_path, COMPILED, "torch", base=base)
    assert found is not None
    decisions = Decisions(base=base, wheels=(wheel("cog", "1"),), clashes=(), compiler=found)
    (line,) = unasked_lines(decisions)
    assert line.startswith("g++ and libpython3.13-dev added (2 packages, ")
    assert line.endswith("when the model runs; cogpack: {compiler: false} leaves that out")
    assert unasked_lines(msgspec.structs.replace(decisions, compiler=None)) == []


def test_sources_that_have_changed_since_the_lock_are_told_to_want_another_compiler(tmp_path: Path) -> None:
    wheels = (wheel("torch", "1"),)
    needed = decided(tmp_path, COMPILED, "torch")
    without = Decisions(base=requested("libc6"), wheels=wheels, clashes=())
    project = find_project(tmp_path)
    assert other_unasked(project, without) == ["compiler"]
    (note,) = unasked_notes(project, without)
    assert note.code is Code.MISSING_PACKAGE
    assert note.text.endswith("and the lock has no g++ and libpython3.13-dev for it: cogpack lock adds it")
    locked = msgspec.structs.replace(without, compiler=needed)
    assert other_unasked(project, locked) == []
    assert not list(unasked_notes(project, locked))
    (tmp_path / "predict.py").write_text("import torch\n")
    assert other_unasked(project, locked) == ["compiler"]
    assert not list(unasked_notes(project, locked))
