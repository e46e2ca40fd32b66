"""What sources start, and what wheels start or load, is looked for among the packages of the image, once they are
decided: what is missing would be told by a model that runs. What Cog's own images have of it is added.

Of an image of a registry the lock has what it has of these; of one without packages of Debian's kind nothing is told.
"""

import fnmatch
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.config import Config
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.notes import Code, Note
from cogpack.oci import Platform
from cogpack.patterns import pattern
from cogpack.project import Project
from cogpack.resolve.debs.names.programs import PROGRAMS
from cogpack.resolve.debs.names.tools import COG_TOOLS, WITH_COG_TOOLS
from cogpack.resolve.debs.names.wheels import WANTS

if TYPE_CHECKING:
    from cogpack.runtime.started import Sources, Started

CLANG = ("clang", "clang-[0-9]", "clang-[0-9][0-9]", "clang-[0-9].[0-9]")
"""Packages that have clang: clang-format and clang-tidy have none."""
_ALSO: Mapping[str, Sequence[str]] = {
    "7z": ("7zip",),
    "7za": ("7zip",),
    "awk": ("mawk", "original-awk"),
    "c++": CLANG,
    "cc": (*CLANG, "tcc"),
    "convert": ("graphicsmagick-imagemagick-compat",),
    "espeak": ("espeak-ng",),
    "gpg": ("gpg",),
    "identify": ("graphicsmagick-imagemagick-compat",),
    "java": ("default-jre*", "openjdk-*"),
    "libreoffice": ("libreoffice-*",),
    "nc": ("netcat-*",),
    "perl": ("perl-base",),
    "pkg-config": ("pkg-config",),
    "soffice": ("libreoffice-*",),
    "unrar": ("unrar",),
}
"""Other packages than the one of `PROGRAMS` that have a program, too."""
_OF_WHEELS = frozenset({"cmake", "meson", "ninja"})
"""Programs that a wheel of their name brings."""
_OF_PROJECTS = {
    "pget": {
        "amd64": "https://github.com/replicate/pget/releases/latest/download/pget_Linux_x86_64",
        "arm64": "https://github.com/replicate/pget/releases/latest/download/pget_Linux_arm64",
    },
}
"""Programs that are in no package: where their publisher has them, by architecture (`uname -m` says aarch64)."""
_OF_COMMANDS = (
    {name: name for name in COG_TOOLS}
    | {name: package for name, package in PROGRAMS.items() if package in (*COG_TOOLS, *WITH_COG_TOOLS)}
    | {"apt-key": "gnupg"}  # apt has it, and it starts gpg
)
"""Programs that a command finds in Cog's images, by name, and the package of each."""
_COMPILING = frozenset({"cmake", "make", "ninja"})
"""Programs that start the compiler that Cog's images have."""
_NEXT = pattern(r"[;&|]")
_INSTALLS = pattern(r"\b(?:add|install)\b")
_OF_GIT = pattern(r"(?<![\w.+-])git\+[a-z]+://")
"""A requirement that pip has git fetch."""
COMPILERS = ("g++", *CLANG, "libpython3*-dev")
_ANY_COMPILER = (
    *("g++", "gcc", *CLANG, "tcc"),
    *(f"{name}-{n}" for name in ("g++", "gcc") for n in ("[0-9]", "[0-9][0-9]")),
)
"""Any of them will do for a program of `_COMPILING`: who names one has chosen. The first is what Cog's images have."""
_BY_BUILD_ESSENTIAL = frozenset({"binutils", "bzip2", "g++", "gcc", "make", "patch", "perl", "xz-utils"})


def installed_of(base: Base, *, but: Collection[str] = ()) -> frozenset[str] | None:
    """Name the packages that an image on `base` has; over an image of a registry, those of `may_be_wanted` alone, and
    None where it has no packages of Debian's kind, or nobody has asked. `but`: packages over the base that don't
    count."""
    if not isinstance(base, DebianBase) and not base.has:
        return None
    below = [deb.name for deb in base.packages] if isinstance(base, DebianBase) else base.has or ()
    return frozenset((*below, *(deb.name for deb in base.system_packages.packages if deb.name not in but)))


def may_be_wanted() -> frozenset[str]:
    """Give patterns of all packages that are looked for, and of one that no Debian is without."""
    wheels = (name for want in WANTS.values() for names in want.packages for name in names)
    also = (name for names in _ALSO.values() for name in names)
    return frozenset(("libc6", *COMPILERS, *PROGRAMS.values(), *also, *wheels))


def missing_packages(project: Project, decisions: Decisions, *, asked: Collection[str] = ()) -> Iterator[Note]:
    """Give a note of each package that is wanted and not there, with who wants it first, and of a shell. `asked`: what
    was to be added unasked: what is not there for all that can't be."""
    if (installed := installed_of(decisions.base)) is None:
        return
    config = project.config
    sources = sources_of(project)
    if isinstance(decisions.base, DebianBase) and decisions.base.slim and sources.shells and "dash" not in installed:
        first, *others = sources.shells
        also = f" (and {len(others)} more)" if others else ""
        text = f"{first.place}: {first.name} starts a shell{also}, and there is none in debian:slim"
        advice = f"write base: debian:{decisions.base.suite}, or add dash to build.system_packages"
        yield Note(Code.NO_SHELL, f"{text} ({config.where('cogpack.base')}): {advice}")
    found: dict[tuple[str, ...], list[Wish]] = {}
    for wish in wishes(config, decisions, sources):
        lacking = tuple(
            one[0]
            for one in wish.packages
            if not (has_one(installed, one) or is_named(one, config, to_install=wish.by_command))
        )
        if lacking and (not is_added(lacking, config) or set(lacking) <= {*asked}):
            found.setdefault(lacking, []).append(wish)
    for packages, wanting in found.items():
        more = f" (and {len(wanting) - 1} more)" if len(wanting) > 1 else ""
        advice = f"add system_packages: [{', '.join(packages)}] under build"
        if config.pack.tools == "none" and set(packages) <= {*COG_TOOLS, *WITH_COG_TOOLS}:
            advice += f", or leave out {config.where('cogpack.tools')}"
        text = f"{wanting[0].place}{wanting[0].does}{more}, which no package of the image has"
        yield Note(Code.MISSING_PACKAGE, f"{text}: {advice}")
    if isinstance(decisions.base, DebianBase):  # of an image of a registry nobody knows whether it has them
        yield from _not_fetched(project, sources)


def _not_fetched(project: Project, sources: "Sources") -> Iterator[Note]:
    """Tell of programs that are in no package, and that no command of `build.run` names, nor a file is called."""
    arch = Platform.parse(project.config.pack.platform).architecture
    for name, addresses in _OF_PROJECTS.items():
        started = next((one for one in sources.programs if one.name == name), None)
        if started is None or is_named((name,), project.config):
            continue
        if not any(posixpath.basename(path) == name for path in project.files().all_paths()):
            path = f"/usr/local/bin/{name}"
            advice = f"add to build.run: curl -o {path} -L {addresses[arch]} && chmod +x {path}"
            yield Note(Code.MISSING_PACKAGE, f"{started.place}: runs {name}, which nothing in the image has: {advice}")


def is_added(packages: Sequence[str], config: Config) -> bool:
    """Tell whether they come unasked where they lack: Cog's images have them all."""
    return config.pack.tools is None and set(packages) <= {*COG_TOOLS, *WITH_COG_TOOLS}


def sources_of(project: Project) -> "Sources":
    """Read the predictor's sources, and the trainer's."""
    from cogpack.runtime.started import read_sources

    return read_sources(project.source, roots_of(project.config))


def roots_of(config: Config) -> list[str]:
    """Name the files of the predictor and of the trainer."""
    return [reference.partition(":")[0] for reference in (config.predict, config.train) if reference]


class Wish(msgspec.Struct, frozen=True):
    """Is what a project wants of the system: of each tuple of `packages` any one will do, of which the first is taken.
    `does`: who wants it, and for what; `place`: begins that where sources say so, as in "predict.py:3: "; `by_command`:
    who wants it is a command of `build.run`."""

    packages: tuple[tuple[str, ...], ...]
    does: str
    place: str = ""
    by_command: bool = False


def wishes(config: Config, decisions: Decisions, sources: "Sources") -> Iterator[Wish]:
    """Give all, whatever the image has."""
    wheels = {wheel.name: wheel for wheel in decisions.wheels}
    for started in sources.programs:
        package = PROGRAMS.get(started.name)
        if package and not (started.name in _OF_WHEELS and started.name in wheels):
            packages = (package, *_ALSO.get(started.name, ()))
            yield Wish((packages,), f"runs {started.name}", f"{started.place}: ")
    imported: dict[str, Started] = {}
    for module in sources.modules:
        imported.setdefault(module.name, module)
    for name, want in WANTS.items():
        wheel, by = wheels.get(name), imported.get(want.module)
        if wheel is None or (want.pure and not wheel.filename.endswith("-any.whl")):
            continue
        if by:
            yield Wish(tuple(want.packages), f"imports {want.module}, which {want.does}", f"{by.place}: ")
        elif want.always:
            yield Wish(tuple(want.packages), f"{name} {wheel.version} {want.does}")
    yield from _of_commands(config, decisions)


def has_one(installed: Collection[str], patterns: Sequence[str]) -> bool:
    """Tell whether a package has one of these names."""
    return any(fnmatch.filter(installed, pattern) for pattern in patterns)


def is_named(packages: Sequence[str], config: Config, *, to_install: bool = False) -> bool:
    """Tell whether a command of `build.run` may bring one of these names: one that names it, or what depends on it;
    with `to_install`, behind a word that installs, since who starts a program names it, too."""
    also = ("build-essential",) if _BY_BUILD_ESSENTIAL.intersection(packages) else ()
    names = "|".join(_as_pattern(name) for name in (*packages, *also))
    word = re.compile(rf"(?<![\w.+-])(?:{names})(?![\w+-])")
    texts = [step.command for step in config.run]
    if to_install:
        parts = (part for text in texts for part in _NEXT.split(text))
        texts = [behind for part in parts for behind in _INSTALLS.split(part, 1)[1:]]
    return any(map(word.search, texts))


def _as_pattern(name: str) -> str:
    """Write a name as `fnmatch` has it as a regular expression."""
    return re.escape(name).replace(r"\*", r"[\w.+-]*").replace(r"\[0\-9\]", "[0-9]")


def _of_commands(config: Config, decisions: Decisions) -> Iterator[Wish]:
    """Give what commands start that are run, since nobody knows what they do, as far as Cog's images have it."""
    if not config.run:
        return
    from cogpack.config.steps import step_places
    from cogpack.locking.lines.read import locked_lines
    from cogpack.run_lines.begun import begun

    places = step_places(config)
    for one in locked_lines(config, decisions).remaining:
        command = one.step.command
        names = [*begun(command), *(["git"] if _OF_GIT.search(command) else [])]
        for name in dict.fromkeys(names):
            if package := _OF_COMMANDS.get(name):
                packages = (package, *_ALSO.get(name, ()))
                yield Wish((packages,), f"runs {name}", f"{places[one.index]}: ", by_command=True)
            if name in _COMPILING and config.pack.compiler is not False:
                yield Wish((_ANY_COMPILER,), f"runs {name}, which compiles", f"{places[one.index]}: ", by_command=True)
