"""What a build says when it fails is read: for older tools that an old source wants, and else for what helps."""

import re
from collections.abc import Sequence

import msgspec

from cogpack.errors import InputError
from cogpack.locking.wheels.building import ANOTHER, WantsCompilerError
from cogpack.planning.building.job import Done, Job
from cogpack.planning.steps.failed_step import NO_NVCC, TRIPLET, missing_programs, packages_of
from cogpack.sandbox.watch import LimitError


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """Is what to build an old source with besides what it asks for. `exec_into_locals`: as `Job` has it; `unisolated`:
    the image's wheels, torch among them; `why`: what was found of it."""

    requires: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    exec_into_locals: bool = False
    unisolated: bool = False
    why: str

    def __str__(self) -> str:
        others = [
            *(["exec as it was before Python 3.13"] if self.exec_into_locals else []),
            *(["the wheels of the image"] if self.unisolated else []),
        ]
        return f"{', '.join((*self.constraints, *self.requires, *others))}: {self.why}"


def _older(version: int, why: str) -> Repair:
    return Repair(constraints=(f"setuptools<{version}",), why=why)


_REPAIRS: Sequence[tuple[re.Pattern[str], Repair]] = [
    (re.compile(pattern), repair)
    for pattern, repair in (
        (r"use_2to3 is invalid", _older(58, "its setup.py uses 2to3")),
        (r"cannot import name 'Feature' from 'setuptools'", _older(46, "its setup.py has Features")),
        (r"No module named 'setuptools\.command\.test'", _older(72, "its setup.py has a test command")),
        (r"cannot import name 'msvccompiler' from 'distutils'", _older(74, "it uses numpy.distutils")),
        (r"No module named 'numpy\.distutils|numpy\.distutils", _older(60, "it uses numpy.distutils")),
        (r"No module named 'pkg_resources'", _older(81, "its setup.py imports pkg_resources")),
        (
            r"Invalid dash-separated key|[Uu]sage of dash-separated '.*' will not be supported",
            _older(78, "its setup.cfg has keys with dashes"),
        ),
        (r"No module named 'distutils", Repair(requires=("setuptools",), why="it uses distutils")),
        (r"No module named 'setuptools'", Repair(requires=("setuptools",), why="its setup.py imports setuptools")),
        (r"No module named 'wheel'|invalid command 'bdist_wheel'", Repair(requires=("wheel",), why="it imports wheel")),
        (r"No module named 'packaging'", Repair(requires=("packaging",), why="its setup.py imports packaging")),
        (r"No module named 'Cython'", Repair(requires=("cython",), why="its setup.py imports Cython")),
        (r"No module named 'numpy'", Repair(requires=("numpy",), why="its setup.py imports numpy")),
        (r"No module named 'pybind11'", Repair(requires=("pybind11",), why="its setup.py imports pybind11")),
    )
]
"""By what such a source says: the last setuptools that has what it wants, and modules that it does not ask for."""

UNISOLATED = Repair(unisolated=True, why="its setup.py imports torch")
_NO_TORCH = re.compile(r"No module named '(?:torch|torchvision)(?:\.\w+)*'")
_COMPILERS = frozenset({"gcc", "g++", "cc", "c++"})
_NO_PKG_CONFIG = re.compile(r"pkg-config is required|pkg-config.*not found|[Cc]ould not find pkg-config")
_VERSION_LOST = re.compile(r"^KeyError: '\w*version\w*'$", re.MULTILINE | re.IGNORECASE)
_OLD_EXEC = Repair(exec_into_locals=True, why="its setup.py reads locals() after exec")
_OWN_LOCALS, _NO_DISTUTILS = 13, 12
"""The minor versions of Python since which exec leaves locals() alone, and since which distutils is gone, with what
setuptools before 66 needs."""
_OLD_SETUPTOOLS = frozenset({"setuptools<46", "setuptools<58", "setuptools<60"})
_NO_COMPILER = re.compile(r"Unsupported compiler -- at least C\+\+")
_NO_HEADERS = re.compile(r"Run-time dependency python3? found: NO|Python dependency not found")
"""What Meson says where there is no Python.h."""
_NO_MODULE = re.compile(r"(?:ModuleNotFoundError|ImportError): No module named '([^']+)'")
_HEADER = re.compile(
    r"fatal error: '?((?:[\w./+-]+\.(?:cu)?h\w*)|[\w+-]+(?:/[\w+-]+)+)'?(?:: No such file| file not found)"
)
"""Those of C++ may have no ending: Eigen/Core, nv/target."""
_MODULE = re.compile(r"\b[Pp]ackage '?([\w+.-]+?)'?(?: was not|, required by .*, not|) found")
"""What pkg-config says."""
_LIBRARY = re.compile(r"cannot find -l([\w+.-]+)")
_NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable|urlopen error|"
    r"Could not resolve host|Failed to establish a new connection|Failed to download any of"
)
_OFFLINE = ("it wants the network, and a build has none", f"{ANOTHER}; cogpack lock -v tells all that its build says")
_ENDED = re.compile(
    rf"^\s*(?:[\w.]*(?:[Ee]rror|Exception|Exit)\b|ERROR\b|CMake Error|ninja: build stopped)|{_NO_NETWORK.pattern}"
)
"""A line that says for want of what something ended."""
_OF_PYTHON_2 = re.compile(
    r"No module named '(?:ConfigParser|Queue|StringIO|__builtin__|cPickle|urllib2|urlparse)'|"
    r"Missing parentheses in call to 'print'|NameError: name '(?:execfile|raw_input|unicode)' is not defined"
)
_NO_ARCHITECTURE = re.compile(r"nvcc fatal\s*: Unsupported gpu architecture '(\w+)'")
_KILLED = re.compile(r"Killed signal terminated program|died due to signal 9\b|^Killed$", re.MULTILINE)
"""What g++, nvcc and the shell say."""
_NO_VERSION = re.compile(r"setuptools-scm was unable to detect version|Versioning for this project requires either")

_HEADERS = {
    "Python.h": "python3-dev",
    "ffi.h": "libffi-dev",
    "zlib.h": "zlib1g-dev",
    "bzlib.h": "libbz2-dev",
    "lzma.h": "liblzma-dev",
    "png.h": "libpng-dev",
    "jpeglib.h": "libjpeg-dev",
    "openssl/ssl.h": "libssl-dev",
    "openssl/opensslv.h": "libssl-dev",
    "libxml/xmlversion.h": "libxml2-dev, libxslt1-dev",
    "libxml/xpath.h": "libxml2-dev, libxslt1-dev",
    "libpq-fe.h": "libpq-dev",
    "mysql.h": "default-libmysqlclient-dev",
    "sqlite3.h": "libsqlite3-dev",
    "yaml.h": "libyaml-dev",
    "portaudio.h": "portaudio19-dev",
    "sndfile.h": "libsndfile1-dev",
    "lame/lame.h": "libmp3lame-dev",
    "alsa/asoundlib.h": "libasound2-dev",
    "libavcodec/avcodec.h": "libavcodec-dev, libavformat-dev, libavdevice-dev, libavfilter-dev, libswscale-dev",
    "boost/version.hpp": "libboost-dev",
    "Eigen/Core": "libeigen3-dev",
    "fftw3.h": "libfftw3-dev",
    "hdf5.h": "libhdf5-dev",
    "gmp.h": "libgmp-dev",
    "GL/gl.h": "libgl-dev",
    "cairo.h": "libcairo2-dev",
    "pango/pangocairo.h": "libpango1.0-dev",
}
"""Debian's packages by a header of theirs."""

_TOLD = 8
"""Lines that are repeated where it is known what they mean."""
_SETUP = {
    "imp": "module imp, which is gone since Python 3.12: set build.python_version to 3.11",
    "asynchat": "module asynchat, which is gone since Python 3.12: set build.python_version to 3.11",
    "torch": "torch, which is not among the image's wheels: add torch to the requirements",
}
"""Modules that a source can't be given, and what helps."""


def find_repair(said: Sequence[str], done: Sequence[Repair], python: str, *, isolated: bool = True) -> Repair | None:
    """Find what may help that has not been `done`. `isolated`: it was built without the wheels of the image."""
    text = "\n".join(said)
    found = [repair for pattern, repair in _REPAIRS if repair not in done and pattern.search(text)]
    if _minor(python) >= _OWN_LOCALS and _OLD_EXEC not in done and _VERSION_LOST.search(text):
        found.append(_OLD_EXEC)
    if isolated and _NO_TORCH.search(text):
        found.append(UNISOLATED)
    return found[0] if found else None


def _minor(python: str) -> int:
    return int(python.partition(".")[2])


def failed(job: Job, done: Done, repairs: Sequence[Repair]) -> InputError:
    """Make the error of a source that can't be built."""
    said = list(done.said)
    found = _reason(said, job, repairs)
    why, advice = found or (f"its build ended with {done.status}", ANOTHER)
    tried = f" (built with {'; '.join(map(str, repairs))})" if repairs else ""
    of_network = [line for line in said if _NO_NETWORK.search(line)]
    said = of_network[-1:] if found == _OFFLINE else said[-_TOLD if found else 0 :]  # nothing of compilers before
    told = "".join(f"\n  {line}" for line in said)
    kind = WantsCompilerError if _wants_compiler(done.said) else InputError
    return kind(f"{job.title}: can't be built: {why}{tried}{told}", next_step=advice)


def is_unexplained(job: Job, done: Done) -> bool:
    """Tell whether nothing is known of why it can't be built."""
    return _reason(done.said, job, ()) is None and not _wants_compiler(done.said)


def _wants_compiler(said: Sequence[str]) -> bool:
    text = "\n".join(said)
    programs = {TRIPLET.sub("", name) for name in missing_programs(said)}
    return bool(
        programs & (_COMPILERS | {"make"})
        or _NO_COMPILER.search(text)
        or _NO_HEADERS.search(text)
        or "Python.h" in _HEADER.findall(text)
    )


def stopped(job: Job, error: LimitError) -> InputError:
    """Make the error of a build that was stopped since it took too much."""
    setting = {"seconds": "time"}.get(error.limit, error.limit)
    advice = ANOTHER
    if setting in ("time", "idle", "size"):
        advice = f"where it is right, set cogpack: {{limits: {{{setting}: NUMBER}}}} in cog.yaml to more; or {ANOTHER}"
    return InputError(f"{job.title}: can't be built: {error.message.replace('the command', 'it')}", next_step=advice)


def _reason(said: Sequence[str], job: Job, repairs: Sequence[Repair]) -> tuple[str, str] | None:
    text, last = "\n".join(said), _last(said)
    if _NO_NETWORK.search(last):  # what a compiler did not find before it was only looked for
        after = said[len(said) - said[::-1].index(last) :]
        return (_reason(after, job, repairs) if after else None) or _OFFLINE
    old = any(_OLD_SETUPTOOLS.intersection(repair.constraints) for repair in repairs) or "ImpImporter" in text
    if old and _minor(job.python) >= _NO_DISTUTILS:
        why = f"it wants a setuptools that is older than Python {job.python}"
        return why, "set build.python_version to 3.11, or pin another version"
    if _KILLED.search(text):
        return "a compiler took more memory than the machine has", "give the machine more memory; or give a wheel of it"
    if found := _NO_ARCHITECTURE.search(text):
        advice = "take a torch for another CUDA, or a version of it for this one"
        return f"the nvcc that is there makes no code for {found[1]}", advice
    if NO_NVCC.search(text):
        return "it is compiled for CUDA, and there is no nvcc", "set cogpack: {cuda_toolkit: build} in cog.yaml"
    if (programs := missing_programs(said)) and not _NO_MODULE.search(text):
        programs = [TRIPLET.sub("", name) for name in programs]
        if _COMPILERS.intersection(programs) and job.python_headers:
            return (
                f"there is no {', '.join(programs)}",
                f"add gcc, g++ and {job.python_headers} to build.system_packages",
            )
        return f"there is no {', '.join(programs)}", packages_of(programs)
    if _NO_COMPILER.search(text):
        return "there is no g++", f"add {', '.join(filter(None, ('g++', job.python_headers)))} to build.system_packages"
    if "pkg-config is required for building PyAV" in text:  # and says no more of what it wants
        advice = f"add pkgconf, {_HEADERS['libavcodec/avcodec.h']}, libswresample-dev to build.system_packages"
        return "there is no pkg-config", advice
    if _NO_PKG_CONFIG.search(text):
        return "there is no pkg-config", packages_of(["pkg-config"])
    if _NO_HEADERS.search(text):
        return "there is no Python.h", _named(["Python.h"])
    if headers := list(dict.fromkeys(_HEADER.findall(text))):
        return f"there is no {', '.join(headers)}", _named(headers)
    if libraries := list(dict.fromkeys((*_LIBRARY.findall(text), *_MODULE.findall(text)))):
        advice = "name the Debian packages that have them (lib...-dev) under build.system_packages"
        return f"there is no library {', '.join(libraries)}", advice
    lacking = list(_NO_MODULE.finditer(text))  # sources for both Pythons ask for the modules of both
    if _OF_PYTHON_2.search(last) or (lacking and _OF_PYTHON_2.search(lacking[-1][0])):
        return "its setup.py is of Python 2", "pin what is for Python 3; or give a wheel of it"
    if modules := [one[1] for one in lacking]:
        name = modules[-1].partition(".")[0]
        if name in _SETUP:
            what, _, advice = _SETUP[name].partition(": ")
            return f"its setup.py wants the {what}" if "module" in what else f"its setup.py wants {what}", advice
        if job.isolated:
            return f"its setup.py imports {modules[-1]}, which it does not ask for in pyproject.toml", ANOTHER
        why = f"its setup.py imports {modules[-1]}, which neither the image's wheels nor its pyproject.toml bring"
        return why, f"add what has {modules[-1]} to the requirements"
    if _NO_VERSION.search(text):
        advice = "add git to build.system_packages where it is a repository's; else pin a release"
        return "it takes its version from git, and there is none", advice
    return _OFFLINE if _NO_NETWORK.search(text) else None


def _last(said: Sequence[str]) -> str:
    """Give the line that says for want of what it ended, "" where there is none."""
    return next(filter(_ENDED.search, reversed(said)), "")


def _named(headers: Sequence[str]) -> str:
    known = [_HEADERS[name] for name in headers if name in _HEADERS]
    if len(known) < len(headers):
        return "name the Debian package that has it (lib...-dev) under build.system_packages"
    return f"add {', '.join(dict.fromkeys(known))} to build.system_packages"
