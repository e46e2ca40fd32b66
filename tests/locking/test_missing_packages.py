"""A program that sources name, or that a wheel starts, and that no package has, is a note with the package."""

import json
from pathlib import Path

import msgspec
import pytest
from locking.test_decide_base import IMAGE, requested
from locking.test_deviations import wheel

from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.missing_packages import missing_packages
from cogpack.notes import Code
from cogpack.project import find_project
from cogpack.resolve.debs.names.programs import PROGRAMS
from cogpack.resolve.debs.names.tools import COG_TOOLS
from cogpack.resolve.debs.names.wheels import WANTS

SDK = wheel("cog", "0.23.1")


NONE = "cogpack: {tools: none}\n"


def told(
    root: Path, source: str, *wheels: LockedWheel, base: Base | None = None, build: str = "", pack: str = NONE
) -> list[str]:
    (root / "cog.yaml").write_text(f"predict: predict.py:P\n{pack}{build}")
    (root / "predict.py").write_text(source)
    decisions = Decisions(base=base or requested("libc6"), wheels=(SDK, *wheels), clashes=())
    notes = list(missing_packages(find_project(root), decisions))
    assert {note.code for note in notes} <= {Code.MISSING_PACKAGE, Code.NO_SHELL}
    return [note.text for note in notes]


def test_a_program_that_sources_start_is_told_with_its_package_once(tmp_path: Path) -> None:
    source = "import os\nos.system('ffprobe x')\nos.system('ffmpeg x')\nos.system('pdftotext x')\nos.system('mine')\n"
    assert told(tmp_path, source) == [
        (
            "predict.py:2:1: runs ffprobe (and 1 more), which no package of the image has: "
            "add system_packages: [ffmpeg] under build, or leave out cog.yaml:2:18: cogpack.tools"
        ),
        (
            "predict.py:4:1: runs pdftotext, which no package of the image has: "
            "add system_packages: [poppler-utils] under build"
        ),
    ]


@pytest.mark.parametrize(("arch", "machine"), [("amd64", "x86_64"), ("arm64", "arm64")])
def test_a_program_that_is_in_no_package_is_told_where_nothing_has_its_name(
    tmp_path: Path, arch: str, machine: str
) -> None:
    source = "import subprocess\nsubprocess.check_call(['pget', '-x', url, dest])\n"
    fetch = "build:\n  run: ['curl -o /usr/local/bin/pget -L https://h/x && chmod +x /usr/local/bin/pget']\n"
    assert "".join(told(tmp_path, source, pack=f"cogpack: {{tools: none, platform: linux/{arch}}}\n")) == (
        "predict.py:2:1: runs pget, which nothing in the image has: add to build.run: curl -o /usr/local/bin/pget -L "
        f"https://github.com/replicate/pget/releases/latest/download/pget_Linux_{machine} && "
        "chmod +x /usr/local/bin/pget"
    )
    assert told(tmp_path, source, build=fetch) == []
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pget").write_text("")
    assert told(tmp_path, source) == []


@pytest.mark.parametrize(
    ("program", "package"),
    [("ffmpeg", "ffmpeg"), ("java", "openjdk-21-jre-headless"), ("awk", "mawk"), ("7z", "7zip"), ("perl", "perl-base")],
)
def test_a_program_of_an_installed_package_is_not_told(tmp_path: Path, program: str, package: str) -> None:
    source = f"import os\nos.system('{program} x')\n"
    assert len(told(tmp_path, source)) == 1
    assert told(tmp_path, source, base=requested(package)) == []


def test_what_a_command_of_build_run_may_bring_is_not_told(tmp_path: Path) -> None:
    source = "import os\nos.system('ffmpeg x')\nos.system('cmake .')\n"
    build = "build:\n  run:\n    - apt-get install -y git-lfs ffmpeg\n"
    assert told(tmp_path, source, wheel("cmake", "4"), build=build) == []
    assert len(told(tmp_path, source, build="build:\n  run:\n    - apt-get install -y ffmpegthumbnailer\n")) == 2


@pytest.mark.parametrize(
    ("command", "program", "package"),
    [
        ("git clone --mirror https://h/x /x", "git", "git"),
        ("pip install git+https://h/x.git@main --config-settings a=b", "git", "git"),
        ("apt-get install -y curl && wget -O - https://h/x | sh", "wget", "wget"),
        ("cd /x && (unzip y.zip; rm y.zip) > /log", "unzip", "unzip"),
        ("if true; then sox a b; fi", "sox", "sox"),
        ("cat /key | apt-key add -", "apt-key", "gnupg"),
    ],
)
def test_what_a_command_starts_that_is_run_is_told_unless_it_installs_it(
    command: str, program: str, package: str, tmp_path: Path
) -> None:
    build = f"build:\n  run: [{json.dumps(command)}]\n"
    assert told(tmp_path, "", build=build) == [
        (
            f"cog.yaml:4:9: build.run[0]: runs {program}, which no package of the image has: add system_packages: "
            f"[{package}] under build, or leave out cog.yaml:2:18: cogpack.tools"
        )
    ]
    assert told(tmp_path, "", build=build, pack="") == []
    assert told(tmp_path, "", build=build, base=requested(package)) == []
    build = f"build:\n  run: [{json.dumps(f'apt-get install -y x {package} && {command} | sh')}]\n"
    assert told(tmp_path, "", build=build) == []


@pytest.mark.parametrize("command", ["cd /x && make -j4", "cmake -S /x -B /y", "cd /x && ninja install"])
def test_a_command_that_starts_the_compiler_is_told_with_that(command: str, tmp_path: Path) -> None:
    build = f"build:\n  run: [{json.dumps(command)}]\n"
    (compiler,) = [text for text in told(tmp_path, "", build=build) if "which compiles" in text]
    assert "which no package of the image has: add system_packages: [g++] under build" in compiler
    for name in ("clang-19", "gcc", "gcc-12", "g++-9", "tcc"):
        assert not any("compiles" in text for text in told(tmp_path, "", build=build, base=requested(name))), name
    for name in ("gcc-14-base", "clang-format", "clang-tidy-19", "clang-tools"):
        assert any("compiles" in text for text in told(tmp_path, "", build=build, base=requested(name))), name
    assert told(tmp_path, "", build=build, pack="") == []
    without = "cogpack: {tools: none, compiler: false}\n"
    assert not any("compiles" in text for text in told(tmp_path, "", build=build, pack=without))
    for name in ("build-essential", "clang", "g++-12"):
        build = f"build:\n  run: [{json.dumps(f'apt-get install -y {name} && {command}')}]\n"
        assert not any("compiles" in text for text in told(tmp_path, "", build=build)), name
    build = f"build:\n  run: [{json.dumps(f'apt-get install -y clang-format && {command}')}]\n"
    assert any("compiles" in text for text in told(tmp_path, "", build=build))


def test_build_essential_brings_what_it_depends_on(tmp_path: Path) -> None:
    build = "build:\n  run: ['apt-get install -y build-essential && make && patch x && gcc y && cmake z']\n"
    (text,) = told(tmp_path, "", build=build)
    assert "runs cmake, which no package" in text


@pytest.mark.parametrize(
    "command",
    ["./git --x", "echo git | sh", "mine --git wget", "aria2c x | sh", 'python -c "x = 1; make = 2"'],
)
def test_what_a_command_does_not_start_or_cogs_images_lack_is_not_told(command: str, tmp_path: Path) -> None:
    assert told(tmp_path, "", build=f"build:\n  run: [{json.dumps(command)}]\n") == []


def test_what_a_wheel_starts_is_told_where_sources_import_it(tmp_path: Path) -> None:
    wheels = wheel("pydub", "0.25.1"), wheel("gitpython", "3.1.43"), wheel("opencv-python", "4.8.1.78")
    lacks = "which no package of the image has: add system_packages: "
    ffmpeg = f"predict.py:1:1: imports pydub, which runs ffmpeg, {lacks}[ffmpeg]"
    opencv = f"opencv-python 4.8.1.78 loads libGL.so.1 and libgthread-2.0.so.0, {lacks}"
    found = told(tmp_path, "from pydub import AudioSegment\n", *wheels)
    assert [text.partition(" under build")[0] for text in found] == [
        f"{opencv}[libgl1, libglib2.0-0]",
        ffmpeg,
    ]
    found = told(tmp_path, "import cv2\n", *wheels, base=requested("libglib2.0-0t64"))
    assert [text.partition(" under build")[0] for text in found] == [
        (
            "predict.py:1:8: imports cv2, which loads libGL.so.1 and libgthread-2.0.so.0, "
            "which no package of the image has: add system_packages: [libgl1]"
        )
    ]


def test_a_library_that_most_wheels_of_a_name_bring_is_missed_in_the_others_only(tmp_path: Path) -> None:
    whole = wheel("soundfile", "0.13.1")
    native = msgspec.structs.replace(whole, filename="soundfile-0.13.1-py2.py3-none-manylinux_2_28_x86_64.whl")
    assert len(told(tmp_path, "", whole)) == 1
    assert told(tmp_path, "", native) == []


def test_what_cogs_images_have_is_added_and_no_note(tmp_path: Path) -> None:
    source = "import os, cv2\nos.system('ffmpeg x')\nos.system('pdftotext x')\n"
    assert len(told(tmp_path, source, wheel("opencv-python", "4.8.1.78"))) == 3
    (text,) = told(tmp_path, source, wheel("opencv-python", "4.8.1.78"), pack="")
    assert text.endswith("which no package of the image has: add system_packages: [poppler-utils] under build")


def test_of_an_image_of_a_registry_nothing_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, "import os\nos.system('ffmpeg x')\n", base=IMAGE) == []


def test_the_tables_are_about_packages(tmp_path: Path) -> None:
    assert len(COG_TOOLS) == 27
    assert all(name == name.lower() for name in WANTS)
    assert {package for want in WANTS.values() for packages in want.packages for package in packages[:1]} >= {"ffmpeg"}
    assert {"ffmpeg", "git", "wget", "curl", "unzip", "zip", "sox"} <= set(COG_TOOLS) & set(PROGRAMS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("os.system(anything)", "os.system"),
        ("os.popen(anything)", "os.popen"),
        ("subprocess.run(anything, shell=True)", "subprocess.run with shell=True"),
        ("subprocess.check_call(['/bin/sh', '-c', anything])", "subprocess.check_call of sh"),
        ("subprocess.getoutput(anything)", "subprocess.getoutput"),
    ],
)
def test_a_shell_that_sources_start_is_told_over_a_base_without_one(tmp_path: Path, line: str, words: str) -> None:
    source, slim = f"import os, subprocess\n{line}\n", "cogpack:\n  base: debian:slim\n"
    text = f"predict.py:2:1: {words} starts a shell, and there is none in debian:slim (cog.yaml:3:9: cogpack.base): "
    advice = "write base: debian:trixie, or add dash to build.system_packages"
    base, others = (msgspec.structs.replace(requested(name), slim=True) for name in ("libc6", "dash"))
    assert told(tmp_path, source, base=base, pack=slim) == [text + advice]
    (told_of_both,) = told(tmp_path, f"{source}{line}\n", base=base, pack=slim)
    assert " starts a shell (and 1 more), and there" in told_of_both
    for other in (others, requested("libc6")):
        assert told(tmp_path, source, base=other, pack=slim) == []


def test_what_needs_no_shell_is_started_without_a_word(tmp_path: Path) -> None:
    source = "import subprocess\nsubprocess.run(anything)\nsubprocess.run(['mine'], shell=False)\n"
    assert told(tmp_path, source, base=msgspec.structs.replace(requested("libc6"), slim=True)) == []
