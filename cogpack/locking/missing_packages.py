"""What sources start, and what wheels start or load, is looked for among the packages of the image, once they are
decided: what is missing would be told by a model that runs, and Cog's own images have much of it that nobody asked for.

Of an image of a registry nobody knows here what it has, and nothing is told.
"""

import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from cogpack.config import Config
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.resolve.debs import COG_TOOLS, PROGRAMS, WANTS
from cogpack.runtime.started import Sources, Started, read_sources

_ALSO: Mapping[str, Sequence[str]] = {
    "7z": ("7zip",),
    "7za": ("7zip",),
    "awk": ("mawk", "original-awk"),
    "c++": ("clang*",),
    "cc": ("clang*", "tcc"),
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


def missing_packages(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Give a note of each package that is wanted and not there, with who wants it first, and of a shell."""
    if not isinstance(decisions.base, DebianBase):
        return
    installed = {deb.name for deb in decisions.base.installed}
    config = project.config
    sources = sources_of(project)
    if decisions.base.slim and sources.shells and "dash" not in installed:
        first, *others = sources.shells
        also = f" (and {len(others)} more)" if others else ""
        text = f"{first.place}: {first.name} starts a shell{also}, and there is none in debian:slim"
        advice = f"write base: debian:{decisions.base.suite}, or add dash to build.system_packages"
        yield Note(Code.NO_SHELL, f"{text} ({config.where('cogpack.base')}): {advice}")
    found: dict[tuple[str, ...], list[str]] = {}
    for packages, why in _wanted(decisions, sources, installed):
        if lacking := tuple(package for package in packages if not is_named(package, config)):
            found.setdefault(lacking, []).append(why)
    for packages, reasons in found.items():
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        advice = f"add {' and '.join(packages)} to build.system_packages"
        if set(packages) <= set(COG_TOOLS):
            advice += ", or cogpack: {tools: cog} for all that Cog's images have"
        yield Note(Code.MISSING_PACKAGE, f"{reasons[0]}{more}, which no package of the image has: {advice}")


def sources_of(project: Project) -> Sources:
    """Read the predictor's sources, and the trainer's."""
    return read_sources(project.source, roots_of(project.config))


def roots_of(config: Config) -> list[str]:
    """Name the files of the predictor and of the trainer."""
    return [reference.partition(":")[0] for reference in (config.predict, config.train) if reference]


def _wanted(
    decisions: Decisions, sources: Sources, installed: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give packages that are not installed, each time with who wants them and for what."""
    wheels = {wheel.name: wheel for wheel in decisions.wheels}
    for started in sources.programs:
        package = PROGRAMS.get(started.name)
        if package is None or (started.name in _OF_WHEELS and started.name in wheels):
            continue
        if not _has(installed, (package, *_ALSO.get(started.name, ()))):
            yield (package,), f"{started.place}: runs {started.name}"
    imported: dict[str, Started] = {}
    for module in sources.modules:
        imported.setdefault(module.name, module)
    for name, want in WANTS.items():
        wheel, by = wheels.get(name), imported.get(want.module)
        if wheel is None or (want.pure and not wheel.filename.endswith("-any.whl")):
            continue
        if lacking := tuple(packages[0] for packages in want.packages if not _has(installed, packages)):
            if by:
                yield lacking, f"{by.place}: imports {want.module}, which {want.does}"
            elif want.always:
                yield lacking, f"{name} {wheel.version} {want.does}"


def _has(installed: Collection[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.filter(installed, pattern) for pattern in patterns)


def is_named(package: str, config: Config) -> bool:
    """Tell whether a command of `build.run` may bring it."""
    word = re.compile(rf"(?<![\w.+-]){re.escape(package)}(?![\w+-])")
    return any(word.search(step.command) for step in config.run)
