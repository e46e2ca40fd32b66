"""A build's last words say what an old source wants, or what a user can do."""

from pathlib import Path

import pytest

from cogpack.locking.wheels.building import WantsCompilerError
from cogpack.planning.building.archive import LEGACY
from cogpack.planning.building.failures import failed, find_repair, stopped
from cogpack.planning.building.job import Done, Job
from cogpack.planning.steps.said import Said
from cogpack.sandbox.watch import LimitError


def job(python: str = "3.11") -> Job:
    return Job(
        title="demo 1.0",
        archive=Path("demo"),
        subdirectory="",
        system=LEGACY,
        wheels=(),
        installed=(),
        known=(),
        python=python,
        python_headers="python3-dev",
        place=Path("place"),
    )


@pytest.mark.parametrize(
    ("said", "built_with"),
    [
        ("ModuleNotFoundError: No module named 'pkg_resources'", "setuptools<81"),
        ("error in demo setup command: use_2to3 is invalid.", "setuptools<58"),
        ("ImportError: cannot import name 'Feature' from 'setuptools' (/x/__init__.py)", "setuptools<46"),
        ("ModuleNotFoundError: No module named 'setuptools.command.test'", "setuptools<72"),
        ("ImportError: cannot import name 'msvccompiler' from 'distutils' (/x)", "setuptools<74"),
        ("setuptools.errors.InvalidConfigError: Invalid dash-separated key 'description-file'", "setuptools<78"),
        ("ModuleNotFoundError: No module named 'distutils'", "setuptools"),
        ("error: invalid command 'bdist_wheel'", "wheel"),
        ("ModuleNotFoundError: No module named 'numpy'", "numpy"),
        ("ModuleNotFoundError: No module named 'Cython'", "cython"),
    ],
)
def test_an_old_source_is_given_what_it_was_written_for_once(said: str, built_with: str) -> None:
    repair = find_repair(["Traceback", said], [], "3.11")
    assert repair is not None
    assert (*repair.constraints, *repair.requires) == (built_with,)
    assert find_repair([said], [repair], "3.11") is None


@pytest.mark.parametrize(
    ("said", "why", "advice"),
    [
        (
            "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "there is no gcc",
            "add gcc, g++ and python3-dev to build.system_packages",
        ),
        ("demo.c:1:10: fatal error: Python.h: No such file or directory", "there is no Python.h", "add python3-dev"),
        (
            "../cairo/meson.build:51:15: ERROR: Python dependency not found",
            "there is no Python.h",
            "add python3-dev to",
        ),
        ("a.c:2:10: fatal error: portaudio.h: No such file or directory", "no portaudio.h", "add portaudio19-dev to"),
        ("a.c:2:10: fatal error: own/thing.h: No such file or directory", "no own/thing.h", "name the Debian package"),
        ("a.cc:2:10: fatal error: Eigen/Core: No such file or directory", "there is no Eigen/Core", "libeigen3-dev"),
        ("a.cu:2:10: fatal error: cub/cub.cuh: No such file or directory", "no cub/cub.cuh", "name the Debian package"),
        ("/usr/bin/ld: cannot find -lmagic: No such file", "there is no library magic", "lib...-dev"),
        (
            "RuntimeError: Unsupported compiler -- at least C++11 support is needed!",
            "there is no g++",
            "add g++, python3",
        ),
        ("Package libavformat was not found in the pkg-config search path.", "no library libavformat", "lib...-dev"),
        (
            "pkg-config is required for building PyAV",
            "there is no pkg-config",
            "add pkgconf, libavcodec-dev, libavformat",
        ),
        ("pkg-config is required for building Other", "there is no pkg-config", "add pkgconf to build.system_packages"),
        ("OSError: CUDA_HOME environment variable is not set. Please", "there is no nvcc", "{cuda_toolkit: build}"),
        ("FileNotFoundError: No such file: '/usr/local/cuda/bin/nvcc' not found", "no nvcc", "{cuda_toolkit: build}"),
        (
            "nvcc error   : 'cicc' died due to signal 9 (Kill signal)",
            "took more memory than the machine",
            "more memory",
        ),
        ("nvcc fatal   : Unsupported gpu architecture 'compute_120'", "no code for compute_120", "for another CUDA"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "took more memory than the", "more memory"),
        ("ModuleNotFoundError: No module named 'torch'", "its setup.py wants torch", "add torch"),
        ("ModuleNotFoundError: No module named 'imp'", "gone since Python 3.12", "build.python_version to 3.11"),
        ("ModuleNotFoundError: No module named 'youtube_dl'", "its setup.py imports youtube_dl", "another version"),
        ("urlopen error [Errno -3] Temporary failure in name resolution", "it wants the network", "another version"),
        (
            "error: Failed to download any of the following: ['https://x/a.tar.gz']",
            "wants the network",
            "another version",
        ),
        ("ModuleNotFoundError: No module named 'ConfigParser'", "its setup.py is of Python 2", "is for Python 3"),
        ("SyntaxError: Missing parentheses in call to 'print'. Did you", "is of Python 2", "is for Python 3"),
        ("LookupError: setuptools-scm was unable to detect version for /x", "takes its version from git", "add git"),
        ("something else", "its build ended with 1", "pin another version"),
    ],
)
def test_what_helps_is_told_with_its_last_words(said: str, why: str, advice: str) -> None:
    error = failed(job(), Done(status=1, said=["before", said]), [])
    assert error.message.startswith("demo 1.0: can't be built: ")
    assert why in error.message.splitlines()[0]
    assert error.message.endswith(f"\n  {said}" if "network" in why else f"\n  before\n  {said}")
    assert advice in error.next_step


_UNRESOLVED = "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>"


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ([], "it wants the network, and a build has none"),
        (["  File 'x'", "ended"], "it wants the network, and a build has none"),
        (["no wheel of it is there: it is built", "a.c:1:10: fatal error: ffi.h: No such file"], "there is no ffi.h"),
    ],
)
def test_what_ends_for_want_of_a_network_tells_that_and_nothing_of_the_compiler(after: list[str], why: str) -> None:
    compiling = [f"gcc -pthread -Wall -c part{number}.c -o part{number}.o" for number in range(30)]
    said = [*compiling, "probe.c:1:10: fatal error: probe.h: No such file or directory", _UNRESOLVED, *after]
    error = failed(job(), Done(status=1, said=said), [])
    first, *lines = error.message.splitlines()
    assert first == f"demo 1.0: can't be built: {why}"
    if "network" in why:
        assert (lines, "cogpack lock -v" in error.next_step) == ([f"  {_UNRESOLVED}"], True)


_PRINT = "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            ["ModuleNotFoundError: No module named 'urllib2'", "ModuleNotFoundError: No module named 'requests'"],
            "requests",
        ),
        (["ModuleNotFoundError: No module named 'urllib2'", "ModuleNotFoundError: No module named 'torch'"], "torch"),
        (["ModuleNotFoundError: No module named 'urllib2'", "error: can't go on"], "is of Python 2"),
        (
            ["ModuleNotFoundError: No module named 'urllib2'", "urllib.error.URLError: <urlopen error [Errno -3]>"],
            "wants the network",
        ),
        ([_PRINT, "ModuleNotFoundError: No module named 'requests'"], "imports requests"),
        ([_PRINT, "fatal: Temporary failure in name resolution"], "wants the network"),
        ([_PRINT, "socket.gaierror: [Errno -3] Temporary failure in name resolution"], "wants the network"),
        ([_PRINT, "RuntimeError: no such thing"], "its build ended with 1"),
        ([_PRINT, "CMake Error at CMakeLists.txt:5"], "its build ended with 1"),
        ([_PRINT, "ninja: build stopped: subcommand failed."], "its build ended with 1"),
        (["ModuleNotFoundError: No module named 'commands'"], "imports commands"),
        (["ModuleNotFoundError: No module named 'requests'", "  File 'x'", _PRINT, "", "ended"], "is of Python 2"),
    ],
)
def test_of_python_2_is_what_ends_of_it(said: list[str], why: str) -> None:
    assert why in failed(job(), Done(status=1, said=said), []).message.splitlines()[0]


def test_exec_is_as_it_was_for_who_needs_it_where_it_is_not() -> None:
    said = ["    return locals()['__version__']", "KeyError: '__version__'"]
    repair = find_repair(said, [], "3.13")
    assert repair is not None
    assert str(repair) == "exec as it was before Python 3.13: its setup.py reads locals() after exec"
    assert find_repair(said, [], "3.12") is None


def test_a_setuptools_that_a_newer_python_does_not_run_asks_for_an_older_python() -> None:
    repair = find_repair(["error in demo setup command: use_2to3 is invalid."], [], "3.12")
    assert repair is not None
    done = Done(status=1, said=["ModuleNotFoundError: No module named 'distutils'"])
    assert "build.python_version to 3.11" in failed(job("3.12"), done, [repair]).next_step
    assert "python_version" not in failed(job("3.11"), done, [repair]).next_step


def test_a_build_that_never_ends_names_the_limit_that_it_met() -> None:
    error = stopped(job(), LimitError("the command ran longer than 5 s", limit="seconds", next_step=""))
    assert error.message == "demo 1.0: can't be built: it ran longer than 5 s"
    assert "{limits: {time: NUMBER}}" in error.next_step


def test_of_what_is_understood_the_last_lines_are_enough() -> None:
    said = [*map(str, range(30)), "a.c:1:10: fatal error: ffi.h: No such file"]
    assert failed(job(), Done(status=1, said=said), []).message.count("\n") == 8
    assert failed(job(), Done(status=1, said=said[:-1]), []).message.count("\n") == 30


def test_what_setuptools_says_of_each_file_does_not_hide_why_a_build_failed() -> None:
    told: list[str] = []
    said = Said(told.append, of_a_source=True)
    chatter = [f"copying src/{number}.py -> build/lib/{number}.py" for number in range(60)]
    lines = ["error: no freetype", *chatter, "creating build/lib", "adding 'src/a.py'", "creating it failed"]
    said.hear("\n".join([*lines, ""]).encode())
    assert list(said.last) == ["error: no freetype", "creating it failed"]
    assert told == lines


def test_meson_that_finds_no_python_wants_what_comes_with_a_compiler() -> None:
    said = [
        "Run-time dependency python found: NO  (tried pkgconfig and sysconfig)",
        "ERROR: Python dependency not found",
    ]
    assert isinstance(failed(job(), Done(status=1, said=said), []), WantsCompilerError)
    optional = ["Run-time dependency python-3.12-embed found: NO", "ERROR: cairo not found"]
    for other in (optional, optional[1:]):
        assert not isinstance(failed(job(), Done(status=1, said=other), []), WantsCompilerError)


def test_of_a_command_of_the_user_each_line_is_kept() -> None:
    said = Said(list[str]().append)
    lines = ["creating /opt/db", "copying model -> /opt/m", "adding 'x'"]
    said.hear("\n".join([*lines, ""]).encode())
    assert list(said.last) == lines


def test_what_setuptools_can_not_copy_is_kept() -> None:
    said = Said(list[str]().append, of_a_source=True)
    said.hear(b"copying model -> /opt/m failed: no space\nadding 'x' to 'y'\n")
    assert list(said.last) == ["copying model -> /opt/m failed: no space", "adding 'x' to 'y'"]


def test_calls_of_others_do_not_hide_what_a_compiler_said() -> None:
    told: list[str] = []
    said = Said(told.append, of_a_source=True)
    compiler = "ops.cu:7:10: fatal error: glm/glm.hpp: No such file or directory"
    own = ['  File "<string>", line 11, in <module>', "    setup()"]
    site = "/opt/venv/lib/python3.11/site-packages"
    call = [f'  File "{site}/torch/utils/x.py", line 9, in run', "    super().run(", "    ^^^^^^^^^^^^", "    )"]
    ours = ['  File "/run/cogpack/front_end.py", line 175, in <module>', "    main()"]
    lines = [compiler, "Traceback (most recent call last):", *ours, *own, *call * 30, "RuntimeError: no objects"]
    said.hear("\n".join([*lines, ""]).encode())
    assert list(said.last) == [*lines[:2], *own, "RuntimeError: no objects"]
    assert told == lines
    assert "there is no glm/glm.hpp" in failed(job(), Done(status=1, said=said.last), []).message
