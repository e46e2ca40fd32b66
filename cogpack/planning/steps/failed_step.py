"""What a command of `build.run` says when it fails is read for what helps: a package, another disk, another rung."""

import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from cogpack.disk import DiskError
from cogpack.errors import InputError
from cogpack.resolve.debs.names.programs import PROGRAMS
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.watch import LimitError
from cogpack.text import size_text

_UNKNOWN = 127
"""POSIX.1-2024, XCU 2.8.2."""

_MISSING = re.compile(
    r"^(?:\S+: (?:line )?\d+|\S*sh|make(?:\[\d+\])?): (?P<shell>(?=\S*[a-z])[\w.+-]+): (?:command )?not found$"
    r"|^make(?:\[\d+\])?: (?P<make>[\w.+-]+): No such file or directory$"
    r"|\benv: ['‘]?(?P<env>[\w.+-]+)['’]?: No such file or directory$"
    r"|command '(?:[\w./-]*/)?(?P<setuptools>[\w.+-]+)' failed: No such file or directory"
    r"|Cannot find command '(?P<pip>[\w.+-]+)'"
    r"|No such file or directory: '(?P<python>[\w+-]+(?:\.\d+)?)'$",
    re.IGNORECASE,
)
_NO_FILE = re.compile(
    r"sh: (?:(?:line )?\d+: )?(?:\S*/\S+: (?:not found|No such file or directory)|\S+\.\w+: No such file or directory)$"
    r"|sh: (?:\d+: )?(?:\.: )?cannot open \S+: No such file$"
    r"|can't open file '\S+': \[Errno 2\]|Could not open requirements file: \[Errno 2\]",
    re.IGNORECASE,
)
_SITE = r"(?<![\w./+-])(?!/usr/local/lib/python3[^/\s]*/site-packages)(/\S*/(?:site|dist)-packages)"
"""Where Python's packages lie elsewhere: who looks into those of the image lacks one of them."""
_NO_SITE = re.compile(rf"{_SITE}/\S*: No such file|No such file or directory: '{_SITE}/")
NO_NVCC = re.compile(
    r"CUDA_HOME environment variable is not set|\bnvcc\b.*(?:not found|No such file)|"
    r"No such file or directory: '\S*\bnvcc'|name 'bare_metal_version' is not defined|"
    r"No CMAKE_CUDA_COMPILER could be found"
)
"""What torch's extensions and CMake say, and setup.py of those that ask nvcc for its version first."""
_OTHERWISE = {
    "apt-key": "apt-key is gone since Debian 13: write the key to the file itself, as .asc, or by gpg --dearmor",
    "uv": "add uv to the requirements",
}
"""Programs that no package has, and what helps."""
_FULL = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_NO_SUDO = re.compile(r"sudo: .*no new privileges", re.IGNORECASE)
_NO_FORK = re.compile(r"\bfork\b.*Resource temporarily unavailable|Cannot fork", re.IGNORECASE)
_NO_PROC = re.compile(r"/proc\b|/dev/fd\b|/dev/std(?:in|out|err)\b")

TRIPLET = re.compile(r"^(?:x86_64|aarch64)-linux-gnu-")
"""What Debian's compilers are called by Python, which was compiled by them."""
_BASHS = frozenset({"source", "pushd", "popd", "shopt", "declare", "mapfile"})
"""Builtins that /bin/sh of Debian hasn't (bash(1))."""


def failed_step(place: str, command: str, status: int, said: Sequence[str], rung: Rung, scratch: Path) -> InputError:
    """Make the error of a command that ended with `status`. `place`: where it stands; `said`: its last lines;
    `scratch`: where its tree was laid."""
    told = "".join(f"\n  {line}" for line in said)
    what = f"{place}: {command:.200}: ended with {status}"
    if any(map(_FULL.search, said)):
        free = size_text(shutil.disk_usage(scratch).free)
        return DiskError(
            f"{what}: the disk is full, of {scratch} {free} are left{told}",
            next_step="make room there, or have the command remove what it no longer needs",
            place=scratch,
        )
    if any(map(NO_NVCC.search, said)):
        advice = "set cogpack: {cuda_toolkit: image} in cog.yaml, which has NVIDIA's compiler at /usr/local/cuda"
        return InputError(f"{what}, as there is no nvcc{told}", next_step=advice)
    if programs := missing_programs(said):
        return InputError(f"{what}, as there is no {', '.join(programs)}{told}", next_step=packages_of(programs))
    no_file = any(map(_NO_FILE.search, said))
    if status == _UNKNOWN and not no_file:
        advice = "name the Debian package that has the program under build.system_packages"
        return InputError(f"{what}, as a shell does where there is no such program{told}", next_step=advice)
    advice = "correct the command; its own message says what it lacks"
    if rung is Rung.CHROOT and any(map(_NO_PROC.search, said)):
        advice = "where isolation is chroot, nothing can be mounted at /proc and /dev/fd: try --isolation proot"
    elif no_file:
        advice = "make or fetch the file in a command before: files of the project are not there yet, as with Cog"
    elif found := next(filter(None, map(_NO_SITE.search, said)), None):
        place = found[1] or found[2]
        advice = f"write /usr/local/lib/python3.N/site-packages in place of {place}: there lie Python's packages in "
        advice += "each image"
        if "/.pyenv/" in place:
            advice += ", and pyenv's directories in older images of Cog's alone"
    elif any(map(_NO_FORK.search, said)):
        advice = "have the command start fewer processes at a time: it may have 10,000"
    elif any(map(_NO_SUDO.search, said)):
        advice = "leave sudo out: commands are run as root, and the kernel lets nobody have more here"
    elif status == 128 + signal.SIGKILL:
        advice = "give the machine more memory: it kills what takes too much"
    return InputError(f"{what}{_killed(status)}{told}", next_step=advice)


_SETTINGS = {"seconds": "time", "idle": "idle", "size": "size"}
"""Limits that a project sets, by the name that the sandbox has for them."""


def stopped_step(place: str, command: str, error: LimitError, said: Sequence[str], scratch: Path) -> InputError:
    """Make the error of a command that was stopped since it took too much."""
    told = "".join(f"\n  {line}" for line in said)
    what = f"{place}: {command:.200}: {error.message}, and was stopped{told}"
    if error.limit == "disk":
        return DiskError(what, next_step="make room there, or have the command write less", place=scratch)
    if (setting := _SETTINGS.get(error.limit)) is None:
        return InputError(what, next_step="have the command start fewer")
    advice = f"where it is right, set cogpack: {{limits: {{{setting}: NUMBER}}}} in cog.yaml to more"
    if error.limit == "idle":
        advice = f"see what it waits for: nobody answers a prompt here; {advice}"
    return InputError(what, next_step=advice)


def missing_programs(said: Sequence[str]) -> list[str]:
    """Give the names of programs that a command says it did not find."""
    found = (match for line in said if (match := _MISSING.search(line.strip())))
    return list(dict.fromkeys(match[match.lastgroup] for match in found if match.lastgroup))


def packages_of(programs: Sequence[str]) -> str:
    """Say which packages have them."""
    programs = [TRIPLET.sub("", name) for name in programs]
    known = list(dict.fromkeys(PROGRAMS[name] for name in programs if name in PROGRAMS))
    rest = [name for name in programs if name not in (*PROGRAMS, *_BASHS, *_OTHERWISE)]
    words = [f"add {', '.join(known)} to build.system_packages"] if known else []
    if rest:
        words.append(f"name the Debian package that has {', '.join(rest)} under build.system_packages")
    words += [_OTHERWISE[name] for name in programs if name in _OTHERWISE]
    if own := [name for name in programs if name in _BASHS]:
        words.append(f"{', '.join(own)} is bash's own: write bash -c '...', since /bin/sh runs commands")
    return "; ".join(words)


def _killed(status: int) -> str:
    return f", killed by {signal.Signals(status - 128).name}" if status - 128 in set(signal.Signals) else ""
