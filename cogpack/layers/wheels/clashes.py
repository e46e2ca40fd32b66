"""Paths that several wheels hold with different bytes: whose bytes count, and where that makes no difference.

The wheel that pip would install last has the path. Layers lie in another order, and a layer of wheels depends on
nothing but them: what is wrong of a path in the end is written once more, in a layer of its own above them all.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError
from cogpack.layers.entry import Entry, parents
from cogpack.layers.wheels.order import Needs, install_order, needed_names
from cogpack.layers.wheels.outline import Outline
from cogpack.layers.wheels.placing import wheel_files
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.venv import PYTHON, SITE
from cogpack.lockfile import LockedClash
from cogpack.oci import encode
from cogpack.runtime.contract import VENV

_RECIPE = "clashes/1"
"""Part of the key: another one whenever the same wheels and paths would give other entries."""

_SOURCE_LIMIT = 4096
"""Bytes of an `__init__.py` that may be one of those that make a namespace."""

_SOURCES = 64
"""So many of these are compared: each is a request to the index."""

_PAPERS = re.compile(
    r"(?:licen[cs]es?|copying|notices?|authors|contributors|contributing|code_of_conduct|security|thanks|todo|readme"
    r"|changelog|changes|history|news|release[_-]?notes)(?:[-_.].*)?",
    re.IGNORECASE,
)
_CODE = re.compile(r".*\.(?:py\w*|so|pth|json|toml|ya?ml)", re.IGNORECASE)
_WORKSHOP = re.compile(
    r"setup\.(?:py|cfg)|pyproject\.toml|(?:tox|pytest)\.ini|conftest\.py|makefile|manifest\.in|\.gitignore"
    r"|requirements.*\.txt",
    re.IGNORECASE,
)
_ASIDE = ("tests/", "test/", "docs/", "doc/", "examples/", "example/", "benchmarks/", "share/doc/", "share/man/")


def matters(path: str) -> bool:
    """Tell whether anybody could miss the file.

    Papers and the workshop's files at the top do not count, nor what lies in directories for tests, documents and
    examples there.
    """
    inner = path.removeprefix(f"{SITE}/") if path.startswith(f"{SITE}/") else path.removeprefix(f"{VENV}/")
    if inner.startswith(_ASIDE):
        return False
    if "/" in inner:
        return True
    return not _WORKSHOP.fullmatch(inner) and (not _PAPERS.fullmatch(inner) or bool(_CODE.fullmatch(inner)))


def find_clashes(
    outlines: Sequence[Outline], environment: Mapping[str, str], laid: Mapping[str, int] = {}
) -> tuple[LockedClash, ...]:
    """Find who has which path that several wheels hold differently. `environment`: markers' values of the target;
    `laid`: by file name, the later command that lays a wheel over what is there, in order from 1.

    `InputError` where one wheel has a file and another a directory: no installer could have both.
    """
    by_path: dict[str, list[Outline]] = {}
    for outline in sorted(outlines, key=lambda outline: outline.filename):
        for path in outline.files:
            by_path.setdefault(path, []).append(outline)
    _check_directories(by_path)
    shared = {path: holders for path, holders in by_path.items() if len(holders) > 1}
    different = {
        path: holders
        for path, holders in sorted(shared.items())
        if len({holder.files[path] for holder in holders}) > 1 and matters(path)
    }
    sources = [path for path in different if path.startswith(f"{SITE}/") and path.endswith("/__init__.py")]
    for path in sources[:_SOURCES]:
        if _means_the_same(path, different[path]):
            del different[path]
    rank = _ranks(outlines, {holder.project for holders in different.values() for holder in holders}, environment)
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for path, holders in different.items():
        *_, last = ordered = sorted(holders, key=lambda one: (laid.get(one.filename, 0), rank[one.project]))
        over = tuple(holder.filename for holder in ordered if holder.files[path] != last.files[path])
        found.setdefault((last.filename, over), []).append(path)
    return tuple(
        LockedClash(wheel=wheel, over=over, paths=tuple(paths)) for (wheel, over), paths in sorted(found.items())
    )


def _ranks(outlines: Iterable[Outline], projects: Iterable[str], environment: Mapping[str, str]) -> dict[str, int]:
    """Tell when pip would install each of `projects`. Only their METADATA is read, and that of all that they need."""
    by_project: dict[str, Outline] = {outline.project: outline for outline in outlines}
    needs: dict[str, Needs] = {}
    waiting = list(projects)
    while waiting:
        project = waiting.pop()
        if project in by_project and project not in needs:
            needs[project] = by_project[project].needs()
            waiting += needed_names(needs[project])
    return {project: rank for rank, project in enumerate(install_order(needs, environment))}


def _check_directories(by_path: Mapping[str, Sequence[Outline]]) -> None:
    for path, holders in by_path.items():
        for parent in parents(path):
            if parent in by_path:
                raise InputError(
                    f"/{parent} is a file in {by_path[parent][0].filename} and a directory in {holders[0].filename}",
                    next_step="remove one of the packages: no installer can put both in place",
                )


def _means_the_same(path: str, holders: Iterable[Outline]) -> bool:
    """Tell whether the sources are one program but for comments and blanks, as those of namespaces often are."""
    programs: list[str] = []
    for holder in holders:
        source = holder.content(path, _SOURCE_LIMIT)
        if source is None:
            return False
        try:
            with warnings.catch_warnings(action="ignore"):
                programs.append(ast.dump(ast.parse(source)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return all(one == other for one, other in pairwise(programs))


class ClashesSource:
    """Gives files of wheels, as a layer, that other wheels' layers would hide."""

    name = "clashes"

    def __init__(self, clashes: Sequence[tuple[WheelFile, Sequence[WheelFile], Sequence[str]]]) -> None:
        self._clashes = clashes

    def key(self) -> str:
        parts = sorted(
            [wheel.sha256, sorted(other.sha256 for other in over), sorted(paths)]
            for wheel, over, paths in self._clashes
        )
        return sha256(encode([_RECIPE, SITE, PYTHON, parts]))

    def entries(self) -> Iterable[Entry]:
        for wheel, _, paths in self._clashes:
            files = {file.path: file for file in wheel_files(wheel.locate(), wheel.filename)}
            for path in paths:
                if path not in files:
                    raise MismatchError(
                        f"{wheel.filename}: has no /{path}, which the lock says it has",
                        next_step="run cogpack lock",
                    )
                yield files[path]
