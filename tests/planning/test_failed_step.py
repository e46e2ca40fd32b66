"""A command of `build.run` that fails is told with what helps."""

from pathlib import Path

import pytest

from cogpack.disk import DiskError
from cogpack.errors import InputError
from cogpack.planning.steps.failed_step import failed_step, stopped_step
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.watch import LimitError


def error(*said: str, status: int = 1, rung: Rung = Rung.USERNS, scratch: Path = Path("/")) -> InputError:
    return failed_step("cog.yaml:4: build.run[1]", "make all", status, said, rung, scratch)


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("/bin/sh: 1: curl: not found", "curl"),
        ("bash: line 1: 7z: command not found", "p7zip-full"),
        ("/bin/bash: wget: command not found", "wget"),
        ("sh: git: not found", "git"),
        ("make: g++: No such file or directory", "g++"),
        ("make: bison: Command not found", "bison"),
        ("./install.sh: line 3: unzip: command not found", "unzip"),
        ("make[2]: cc: No such file or directory", "gcc"),
        ("/usr/bin/env: 'node': No such file or directory", "nodejs"),
        ("error: command 'gcc' failed: No such file or directory", "gcc"),
        ("error: command '/usr/bin/x86_64-linux-gnu-gcc' failed: No such file or directory", "gcc"),
        ("error: command 'aarch64-linux-gnu-g++' failed: No such file or directory", "g++"),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?", "git"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "ffmpeg"),
        ("/bin/sh: 1: nonesuch: not found", None),
    ],
)
def test_a_program_that_is_not_there_is_told_with_its_debian_package(line: str, package: str | None) -> None:
    found = error("so far so good", line)
    assert "as there is no " in found.message
    if package:
        assert found.next_step == f"add {package} to build.system_packages"
    else:
        assert found.next_step.startswith("name the Debian package that has ")


@pytest.mark.parametrize(
    "line",
    [
        "sed: can't read /home/me/.pyenv/versions/3.11.9/lib/python3.11/site-packages/x.py: No such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: '/usr/lib/python3/dist-packages/x/y.py'",
    ],
)
def test_where_pythons_packages_lie_is_told_who_looks_elsewhere(line: str) -> None:
    assert error(line).next_step.startswith("write /usr/local/lib/python3.N/site-packages in place of /")
    assert "site-packages" not in error(line.replace("-packages/x", "-things/x")).next_step


@pytest.mark.parametrize(
    "line",
    [
        "sed: can't read /usr/local/lib/python3.13/site-packages/torch/x.py: No such file or directory",
        "cp: cannot stat '/usr/local/lib/python3.9/site-packages/x': No such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/lib/python3.13/site-packages/x/y.py'",
    ],
)
def test_who_looks_where_pythons_packages_lie_is_not_sent_there(line: str) -> None:
    assert error(line).next_step == "correct the command; its own message says what it lacks"


def test_pyenv_is_told_of_where_its_directory_was_meant() -> None:
    line = "sed: can't read {}/lib/python3.11/site-packages/x.py: No such file or directory"
    assert "pyenv's directories" in error(line.format("/home/me/.pyenv/versions/3.11.9")).next_step
    conda = error(line.format("/opt/conda")).next_step
    assert "in place of /opt/conda/lib/python3.11/site-packages: there" in conda
    assert "pyenv" not in conda


def test_a_program_that_no_package_has_is_told_with_what_helps() -> None:
    assert error("/bin/sh: 1: apt-key: not found", status=127).next_step.startswith("apt-key is gone since Debian 13: ")
    assert error("/bin/sh: 1: uv: not found", status=127).next_step == "add uv to the requirements"


@pytest.mark.parametrize(
    "line",
    [
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
        "NameError: name 'bare_metal_version' is not defined",
        "/bin/sh: 1: nvcc: not found",
        "FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'",
        "  No CMAKE_CUDA_COMPILER could be found.",
    ],
)
def test_a_command_that_wants_nvcc_is_told_what_brings_it(line: str) -> None:
    found = error("so far so good", line)
    assert "as there is no nvcc" in found.message
    assert found.next_step.startswith("set cogpack: {cuda_toolkit: image} in cog.yaml")


def test_what_is_bashs_alone_is_no_packages() -> None:
    assert error("/bin/sh: 1: source: not found", status=127).next_step.startswith("source is bash's own")


def test_all_programs_that_are_not_there_are_named() -> None:
    found = error("sh: 1: curl: not found", "sh: 1: nonesuch: not found", "sh: 1: curl: not found", status=127)
    assert "there is no curl, nonesuch" in found.message
    assert found.next_step.startswith("add curl to build.system_packages; name the Debian package that has nonesuch")


def test_what_is_no_program_is_not_taken_for_one() -> None:
    lines = ("page: 404: not found", "error: page: not found", "E: Unable to locate package x")
    for line in (*lines, "config.h: No such file or directory", "[Errno 2] No such file or directory: 'model.bin'"):
        assert error(line).next_step.startswith("correct the command"), line


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("/bin/sh: 1: ./configure: not found", 127),
        ("bash: line 1: scripts/install.sh: No such file or directory", 127),
        ("bash: setup.sh: No such file or directory", 127),
        ("sh: 0: cannot open setup.sh: No such file", 2),
        ("/bin/sh: 1: .: cannot open ./env.sh: No such file", 2),
        ("python: can't open file '/download.py': [Errno 2] No such file or directory", 2),
        ("ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirements.txt'", 1),
    ],
)
def test_who_misses_a_file_learns_that_the_projects_are_not_there_yet(line: str, status: int) -> None:
    found = error(line, status=status)
    assert "files of the project are not there yet" in found.next_step
    assert "as there is no" not in found.message


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    found = error("cat: write error: No space left on device", scratch=tmp_path)
    assert isinstance(found, DiskError)
    assert f"the disk is full, of {tmp_path} " in found.message


def test_chroot_without_proc_sends_to_another_rung() -> None:
    line = "sh: cannot open /proc/self/maps: No such file"
    assert "--isolation proot" in error(line, rung=Rung.CHROOT).next_step
    assert "--isolation" not in error(line).next_step


@pytest.mark.parametrize(
    "line",
    [
        "fork: Resource temporarily unavailable at -e line 1.",
        "bash: fork: retry: Resource temporarily unavailable",
        "sh: 1: Cannot fork",
    ],
)
def test_who_may_start_no_more_processes_learns_how_many_there_may_be(line: str) -> None:
    assert "10,000" in error(line).next_step


def test_sudo_that_is_refused_is_told_to_be_left_out() -> None:
    line = 'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.'
    assert "leave sudo out" in error(line, rung=Rung.CHROOT).next_step


def test_a_command_that_is_killed_names_the_signal() -> None:
    found = error(status=137)
    assert "ended with 137, killed by SIGKILL" in found.message
    assert "memory" in found.next_step


@pytest.mark.parametrize(
    ("limit", "kind", "advice"),
    [
        ("seconds", InputError, "limits: {time: NUMBER}"),
        ("idle", InputError, "nobody answers a prompt here; where it is right, set cogpack: {limits: {idle: NUMBER}}"),
        ("size", InputError, "limits: {size: NUMBER}"),
        ("processes", InputError, "have the command start fewer"),
        ("disk", DiskError, "make room there"),
    ],
)
def test_a_command_that_took_too_much_is_told_with_the_setting(limit: str, kind: type, advice: str) -> None:
    stopped = LimitError("the command took it", limit=limit, next_step="")
    found = stopped_step("cog.yaml:4: build.run[1]", "make all", stopped, ["last line"], Path("/"))
    assert type(found) is kind
    assert found.message.startswith("cog.yaml:4: build.run[1]: make all: the command took it, and was stopped\n  last")
    assert advice in found.next_step
