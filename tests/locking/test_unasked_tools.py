"""What sources and wheels want, and Cog's images have unasked, an image has, and the lock says why."""

from pathlib import Path

import msgspec
import pytest
from locking.test_decide_base import IMAGE, requested
from locking.test_deviations import wheel

from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import Base
from cogpack.lockfile.unasked import LockedUnasked
from cogpack.locking.unasked import Unasked, kept_with, other_unasked, unasked_for, unasked_lines, unasked_notes
from cogpack.project import Project, find_project

OPENCV = wheel("opencv-python", "4.8.1.78")
GL = ("libgl1", "libglib2.0-0")
CV2 = "imports cv2, which loads libGL.so.1 and libgthread-2.0.so.0"


def project(root: Path, source: str, *, pack: str = "", build: str = "") -> Project:
    (root / "cog.yaml").write_text(f"predict: predict.py:P\n{build}{pack and f'cogpack: {{{pack}}}'}\n")
    (root / "predict.py").write_text(source)
    return find_project(root)


def decisions(*names: str, base: Base | None = None, tools: tuple[LockedUnasked, ...] = ()) -> Decisions:
    wheels = (wheel("cog", "1"), OPENCV)
    return Decisions(base=base or requested("libc6", *names), wheels=wheels, clashes=(), tools=tools)


def added(made: Project, decided: Decisions) -> dict[str, tuple[str, ...]]:
    return {one.why: one.packages for one in unasked_for(made, decided).tools}


def test_each_is_added_with_its_reason_once(tmp_path: Path) -> None:
    programs = "".join(f"os.system('{name} x')\n" for name in ("ffmpeg", "ffprobe", "pdftotext"))
    made = project(tmp_path, f"import cv2, os\n{programs}")
    assert added(made, decisions()) == {"predict.py runs ffmpeg": ("ffmpeg",), f"predict.py {CV2}": GL}
    assert added(made, decisions("ffmpeg", *GL)) == {}
    assert added(made, decisions("ffmpeg", "libglib2.0-0t64")) == {f"predict.py {CV2}": ("libgl1",)}


def test_a_library_of_a_wheel_is_added_though_only_another_wheel_may_import_it(tmp_path: Path) -> None:
    assert added(project(tmp_path, ""), decisions()) == {
        "opencv-python 4.8.1.78 loads libGL.so.1 and libgthread-2.0.so.0": GL
    }


def test_what_a_command_of_build_run_starts_is_added_where_it_has_to_be_run(tmp_path: Path) -> None:
    run = "build:\n  run:\n    - {command: wget -O - https://h/x | sh}\n    - mkdir /git\n"
    assert added(project(tmp_path, "", build=run), decisions(*GL)) == {"cog.yaml runs wget": ("wget",)}
    known = "build:\n  run:\n    - apt-get install -y wget\n"
    assert added(project(tmp_path, "", build=known), decisions(*GL)) == {}


def test_who_compiles_in_build_run_has_gpp_unless_a_compiler_is_there_or_unwanted(tmp_path: Path) -> None:
    run = "build:\n  run:\n    - curl x | tar x && make all\n"
    tools = {"cog.yaml runs curl": ("curl",), "cog.yaml runs make": ("make",)}
    compiles = {"cog.yaml runs make, which compiles": ("g++",)}
    made = project(tmp_path, "", build=run)
    assert added(made, decisions(*GL)) == tools | compiles
    assert added(made, decisions(*GL, "gcc")) == tools
    assert added(made, decisions(*GL, "gcc", "make", "curl")) == {}
    assert added(project(tmp_path, "", build=run, pack="compiler: false"), decisions(*GL)) == tools


@pytest.mark.parametrize("pack", ["tools: none", "tools: cog"])
def test_none_is_looked_for_where_cog_yaml_says_which(tmp_path: Path, pack: str) -> None:
    assert added(project(tmp_path, "import cv2\n", pack="tools: auto"), decisions()) != {}
    assert added(project(tmp_path, "import cv2\n", pack=pack), decisions()) == {}


def test_nothing_is_added_to_an_image_of_a_registry_nor_what_a_command_names(tmp_path: Path) -> None:
    made = project(tmp_path, "import cv2\n")
    assert added(made, decisions(base=IMAGE)) == {}
    made = project(tmp_path, "import cv2\n", build="build:\n  run:\n    - apt-get install -y libgl1\n")
    assert added(made, decisions()) == {f"predict.py {CV2}": ("libglib2.0-0",)}


def test_what_was_added_stays_as_long_as_anything_wants_it(tmp_path: Path) -> None:
    tools = (LockedUnasked(packages=GL, why=f"predict.py {CV2}"),)
    base = requested("libc6", "libgl1", "libglib2.0-0t64")
    over = msgspec.structs.replace(base.system_packages, tools=("libgl1", "libglib2.0-0t64"))
    decided = decisions(base=msgspec.structs.replace(base, system_packages=over), tools=tools)
    made = project(tmp_path, "import cv2\n")
    assert unasked_for(made, decided).tools == tools
    assert other_unasked(made, decided) == []
    (line,) = unasked_lines(decided)
    assert line.startswith("libgl1 and libglib2.0-0 added (2 packages, 2 B): predict.py imports cv2, which ")
    assert line.endswith("; cogpack: {tools: none} leaves that out")
    without = msgspec.structs.replace(decided, wheels=decided.wheels[:1])
    assert other_unasked(made, without) == ["set of tools"]
    assert unasked_lines(decisions()) == []


def test_over_an_image_what_came_unasked_is_told_as_that_when_more_comes() -> None:
    tools = (LockedUnasked(packages=GL, why=f"predict.py {CV2}"),)
    over = msgspec.structs.replace(requested(*GL).system_packages, tools=GL)
    kept = decisions(base=msgspec.structs.replace(IMAGE, system_packages=over), tools=tools)
    compiler = LockedUnasked(packages=("g++",), why="cog.yaml wants it")
    assert kept_with(kept, Unasked(compiler, tools)) == kept
    fewer = kept_with(kept, Unasked(compiler))
    assert fewer is not None
    assert fewer.base.system_packages.tools == ()


def test_sources_that_have_changed_since_the_lock_are_told_to_want_more(tmp_path: Path) -> None:
    made = project(tmp_path, "import os\nos.system('ffmpeg x')\n")
    decided = decisions(*GL)
    assert other_unasked(made, decided) == ["set of tools"]
    (note,) = unasked_notes(made, decided)
    assert note.text == "predict.py runs ffmpeg, and the lock has no ffmpeg for it: cogpack lock adds it"
