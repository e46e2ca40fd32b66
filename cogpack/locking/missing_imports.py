"""What a model's sources import as soon as they are imported, and nothing in the image has, is told before it is made.

Where something may be there that nobody has looked into, nothing is told: a command that is run, a directory that
sources put on Python's path and that is not of the project, what they install or fetch themselves.
"""

import os
import posixpath
import shlex
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.config.steps import step_places
from cogpack.errors import CogpackError
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.locking.lines.read import image_of, locked_lines
from cogpack.locking.missing_packages import roots_of
from cogpack.locking.wheels.outlines import Outlines, wheel_artifact
from cogpack.notes import Code, Note
from cogpack.patterns import pattern
from cogpack.project import Project
from cogpack.resolve.wheels.import_names import DISTRIBUTIONS
from cogpack.run_lines import touched
from cogpack.run_lines.effects import within
from cogpack.runtime.contract import SOURCE, WORKING_DIRECTORY
from cogpack.runtime.imports import Import, ImportedFiles, Imports, is_standard, left_python, read_imports
from cogpack.session import Session
from cogpack.text import count_text
from cogpack.threads import each

if TYPE_CHECKING:
    from cogpack.layers.wheels.modules import SiteModules

_JOBS = 16

ModulesOf: TypeAlias = "Callable[[Sequence[LockedWheel]], SiteModules | None]"
"""Gives the modules of wheels; None where nobody here knows them."""

_BRINGS_NONE = frozenset(
    {
        *("add-apt-repository", "apt", "apt-get", "apt-key", "cat", "cd", "chmod", "chown", "dpkg", "echo", "export"),
        *("ldconfig", "locale-gen", "ls", "mkdir", "rm", "set", "test", "true", "update-alternatives"),
    }
)
"""Programs that put no module where Python looks for one: Debian's own directories are none of the environment's."""
_SEPARATOR = pattern(r"&&?|\|\|?|;|\n")
_QUIET = pattern(r"(?:[12&]?>>?\s*/dev/null|2>&1)(?=[\s;&|)]|\Z)")
"""What puts a program's messages away."""
_LEFT_COG = {
    ("cog.types", "ExperimentalFeatureWarning"): ("0.17", "leave it out"),
    ("cog.types", "Weights"): ("0.17", "write cog.Path, or str"),
}
"""What Cog's own doctor looks for (replicate/cog, `python-deprecated-imports`), and what its 0.17 took out besides."""
_WRITES_OR_RUNS = pattern(r"[>`]|<\(|\$\(")
"""A redirection to a file, or a command within another."""


class _Files:
    """Gives the files of the project as the image has them."""

    def __init__(self, project: Project) -> None:
        self._source = project.source
        self._paths = project.files().all_paths()
        self._names: dict[str, frozenset[str]] = {}

    def read(self, path: str) -> bytes | None:
        return self._source.read(path)

    def names(self, directory: str) -> frozenset[str]:
        if directory not in self._names:
            self._names[directory] = frozenset(self._found(f"{directory}/" if directory else ""))
        return self._names[directory]

    def _found(self, prefix: str) -> Iterator[str]:
        """Find the names behind `prefix`, in the sorted paths; what lies below one of them is leapt over."""
        at = bisect_left(self._paths, prefix)
        while at < len(self._paths) and self._paths[at].startswith(prefix):
            name, below, _ = self._paths[at][len(prefix) :].partition("/")
            yield name
            at = bisect_left(self._paths, f"{prefix}{name}0") if below else at + 1  # 0 comes right after /


class Looked(msgspec.Struct, frozen=True):
    """Is what was found: `unseen` says why nothing can be told, "" where all was looked at."""

    notes: tuple[Note, ...] = ()
    unseen: str = ""


def read_modules(outlines: Outlines, session: Session) -> ModulesOf:
    """Say how those of wheels are read where these are."""

    def modules_of(wheels: Sequence[LockedWheel]) -> "SiteModules":
        from cogpack.layers.wheels.modules import SiteModules

        found = each(outlines.of, wheels, jobs=_JOBS, name="wheel", cancellation=session.cancellation, caught=True)
        return SiteModules(outline for _, outline in found)

    return modules_of


def local_modules(session: Session, project: Project) -> ModulesOf:
    """Say how they are read of wheels that are here: nobody is asked for others."""

    def modules_of(wheels: Sequence[LockedWheel]) -> "SiteModules | None":
        if not all(wheel.path or session.store.find(wheel_artifact(wheel)) for wheel in wheels):
            return None
        return read_modules(Outlines(session, project, lambda wheel: wheel.filename), session)(wheels)

    return modules_of


def imported_at(project: Project) -> Callable[[str], str]:
    """Say where sources import a module as soon as they are imported; they are read when it is first asked."""

    @cache
    def places() -> dict[str, str]:
        found: dict[str, str] = {}
        for one in read_imports(_Files(project), roots_of(project.config)).modules:
            for module in (one.module, *(f"{one.module}.{name}" for name in one.names)):
                found.setdefault(module, one.place)
        return found

    return lambda module: places().get(module, "")


def look_at_imports(project: Project, decisions: Decisions, modules_of: ModulesOf) -> Looked:
    """Look for each module that is imported; a note of one that is not there has where that is done first."""
    files = _Files(project)
    imports = read_imports(files, roots_of(project.config))
    found = _look(project, decisions, modules_of, files, imports)
    return msgspec.structs.replace(found, notes=(*_of_cog(imports, decisions), *found.notes))


def _of_cog(imports: Imports, decisions: Decisions) -> Iterator[Note]:
    """Tell of names that Cog's package has no more."""
    for one in imports.modules:
        for name in one.names:
            since, advice = _LEFT_COG.get((one.module, name), ("", ""))
            if since and Version(decisions.sdk_version or "0") >= Version(since):
                text = f"imports {name} of {one.module}, which has it no more since {since}: {advice}"
                yield Note(Code.MISSING_IMPORT, f"{one.place}: {text}")


def _look(project: Project, decisions: Decisions, modules_of: ModulesOf, files: _Files, imports: Imports) -> Looked:
    names = {wheel.name for wheel in decisions.wheels}
    asked = [one for one in imports.modules if one.level or not (_is_pythons(one, decisions) or _is_named(one, names))]
    if not asked:
        return Looked()
    if unseen := imports.open or _unseen(project, decisions, imports) or _brought(files, imports):
        return Looked(unseen=unseen)
    try:
        modules = modules_of(decisions.wheels)
    except CogpackError as error:  # of a server that is away, where the lock is kept
        return Looked(unseen=error.message)
    if modules is None:
        return Looked(unseen="some wheels are not here")
    if other := [directory for directory in modules.directories if not within(directory, WORKING_DIRECTORY)]:
        return Looked(unseen=f"a wheel puts {other[0]} on Python's path")
    editable = tuple(directory.removeprefix(WORKING_DIRECTORY).strip("/") for directory in modules.directories)
    imports = msgspec.structs.replace(imports, directories=(*imports.directories, *editable))
    laid = [weight.target for weight in project.config.weights]
    found: dict[str, list[Import]] = {}
    for one in asked:
        if _is_there(imports, files, laid, one) or (not one.level and modules.has(one.module, one.names)):
            continue
        found.setdefault(_lacking(files, modules, one), []).append(one)
    notes = []
    for name, places in found.items():
        others = len(places) - 1
        more = f" (as {'does' if others == 1 else 'do'} {count_text(others, 'more line')})" if others else ""
        advice = _advice(project, files, imports, places[0], name)
        notes.append(Note(Code.MISSING_IMPORT, f"{places[0].place}: imports {name}{more}, {advice}"))
    return Looked(tuple(notes))


def _lacking(files: ImportedFiles, modules: "SiteModules", one: Import) -> str:
    """Name what is not there: the module, or all that it is in."""
    first = one.module.partition(".")[0]
    if one.level or first in files.names(""):
        return one.module
    if not modules.has(first):
        return first
    return one.module if "." in one.module else f"{first}.{one.names[0]}"  # of a directory that several share


def _is_there(imports: Imports, files: ImportedFiles, laid: Sequence[str], one: Import) -> bool:
    """Tell whether it is of the project, or of weights that are `laid` into that."""
    if not one.level and one.module.partition(".")[0] in imports.given:
        return True
    if imports.lies_in(files, one):
        return True
    first = one.module.partition(".")[0]
    for directory in imports.directories:
        place = f"/{posixpath.join(SOURCE, directory)}".rstrip("/")
        top = f"{place}/{first}"
        if any(within(path, top) or path.startswith(f"{top}.") or within(place, path) for path in laid):
            return True
    return False


def _advice(project: Project, files: ImportedFiles, imports: Imports, one: Import, name: str) -> str:
    """Say what is known of it, and what to do."""
    for place in imports.places(one):
        for path in (place, f"{place}.py"):
            if os.path.lexists(project.root / path):
                return f"and {path} is left out of the image: add the line !{path} at the end of .dockerignore"
    first = name.partition(".")[0]
    directory = posixpath.dirname(one.path)
    beside = posixpath.join(directory, first)
    if directory and not one.level and any(files.read(f"{beside}{end}") is not None for end in (".py", "/__init__.py")):
        return (
            f"which lies in {posixpath.dirname(one.path)}/, where Python does not look: it looks in the project's root"
        )
    if one.level or files.read(f"{first}/__init__.py") is not None:
        return "which no file of the project is: correct the name, or add the file"
    where = project.config.python_requirements or "build.python_packages"
    if since := left_python(first):
        return f"which Python has no more since {since}: ask for an older build.python_version"
    known = next((DISTRIBUTIONS[key] for key in (name, first) if key in DISTRIBUTIONS), "")
    empty = next((directory for directory in imports.directories if not files.names(directory)), "")
    add = f"which nothing in the image has: add {known or 'the package that has it'} to {where}"
    if empty and not known:
        return f"{add}, or the files of {empty}, which sources put on Python's path, to the project"
    return add


def _is_pythons(one: Import, decisions: Decisions) -> bool:
    name = one.module.partition(".")[0]
    if name == "distutils" and any(wheel.name == "setuptools" for wheel in decisions.wheels):
        return True  # which stands in for it
    return is_standard(name, decisions.python.minor)


def _is_named(one: Import, names: Collection[str]) -> bool:
    """Tell whether a wheel is called like the module, or is known to bring it: most are, and no wheel need be read."""
    first = one.module.partition(".")[0]
    if first == "cv2":
        return any(name.startswith("opencv-") for name in names)
    return canonicalize_name(first) in names or DISTRIBUTIONS.get(first, "").partition("<")[0] in names


def _unseen(project: Project, decisions: Decisions, imports: Imports) -> str:
    """Say where modules may lie that nobody here knows: places that sources, the base or commands name."""
    if imports.outside:
        return f"sources put {imports.outside[0]} on Python's path"
    base = decisions.base
    if isinstance(base, RegistryBase) and (image := image_of(base)):
        variables = (image.config.get("config") or {}).get("Env") or []
        if any(str(variable).startswith("PYTHONPATH=") for variable in variables):
            return "the base sets PYTHONPATH"
    lines = locked_lines(project.config, decisions)
    places = step_places(project.config)
    for left in lines.remaining:
        if not _brings_none(left.step.command):
            return f"{places[left.index]}: a command that is run may bring modules"
    for one in lines.effects:  # none of which reaches into the project
        if any("site-packages" in path for path in touched(one.effect)):
            return f"{places[one.step]}: it writes where modules are"
    return ""


def _brought(files: _Files, imports: Imports) -> str:
    """Say where a directory comes from that sources put on Python's path and the project lacks, "" if from nowhere."""
    lacking = [directory for directory in imports.directories if not files.names(directory)]
    found = imports.named(files, lacking) if lacking else ""
    return f"{found}, which sources put on Python's path" if found else ""


def _brings_none(command: str) -> bool:
    command = _QUIET.sub("", command)
    if _WRITES_OR_RUNS.search(command):
        return False
    for part in _SEPARATOR.split(command):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            return False
        if words and words[0] not in _BRINGS_NONE:
            return False
    return True
