"""What real pip did with lines over made-up packages, written down, is what we say that it would."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.pip_universe import Answer, Line, Universe

from cogpack.resolve.pip import (
    Asked,
    Command,
    Metadata,
    Offer,
    Package,
    Taste,
    UnforeseenError,
    WheelCandidate,
    candidates,
    solve,
)
from cogpack.resolve.wheels.target import TargetPython

RECORDED = Path(__file__).with_name("what_pip_does.json")
"""Of pip 26.3, with Python 3.11; made by `support.pip_universe`."""
TARGET = TargetPython(python="3.11", glibc="2.36", arch="amd64")
TAGS = TARGET.tags()


class Place:
    """Is the `Source` of one line over what is `there`."""

    def __init__(self, universe: Universe, line: Line, there: dict[str, str], taste: Taste) -> None:
        self._universe = universe
        self._places = ("links", "main", "other")
        self._line = line
        self._there = there
        self._taste = taste

    def installed(self, name: str) -> Package | None:
        return Package(name, Version(self._there[name])) if name in self._there else None

    def offered(self, name: str) -> Sequence[WheelCandidate]:
        offers = [
            Offer(filename=release.filename, url=f"https://{place}.example/{release.filename}", yanked=release.yanked)
            for place in self._places
            for release in self._universe.releases
            if release.place == place and (place == "main" or place in self._line.places) and release.name == name
        ]
        return candidates(name, offers, tags=TAGS, python="3.11.0", taste=self._taste)

    def metadata(self, package: Package) -> Metadata:
        if package.file is not None and not package.file.filename.endswith(".whl"):
            raise UnforeseenError("a source")
        (release,) = (
            one
            for one in self._universe.releases
            if one.name == package.name and Version(one.version) == package.version and not one.source
        )
        return Metadata(tuple(map(Requirement, release.requires)), frozenset(release.extras), release.python)


def told(universe: Universe, line: Line, before: dict[str, str]) -> dict[str, str]:
    """Say what is there after a line."""
    there = dict(before)
    options = [one for one in line.arguments if one.startswith("-")]
    names = [one for one in line.arguments if not one.startswith("-")]
    if line.action == "uninstall":
        return {name: version for name, version in there.items() if name not in map(canonicalize_name, names)}
    upgrade = "eager" if "--upgrade-strategy=eager" in options else "only-if-needed"
    taste = Taste(
        pre="--pre" in options,
        prefer_binary="--prefer-binary" in options,
        only_binary=(":all:",) if "--only-binary=:all:" in options else (),
    )
    command = Command(
        asked=tuple(Asked(Requirement(name)) for name in names),
        upgrade=upgrade if "-U" in options else "to-satisfy-only",  # type: ignore[arg-type]
        dependencies="--no-deps" not in options,
        force="--force-reinstall" in options,
        taste=taste,
        environment=TARGET.environment(),
    )
    for package in solve(command, Place(universe, line, there, taste)):
        if package.file is not None:
            there[package.name] = str(package.version)
    return dict(sorted(there.items()))


def compared(universe: Universe) -> tuple[int, int]:
    """Count the lines that are told, and those that pip did and we can't tell."""
    there: dict[str, str] = {}
    known = unknown = 0
    for line in universe.lines:
        answer: Answer
        try:
            answer = told(universe, line, there)
            known += 1
        except UnforeseenError:
            answer = None
            unknown += line.after is not None
        if answer is not None:
            assert answer == line.after, (line, there)
        there = there if line.after is None else line.after
    return known, unknown


@pytest.mark.slow
def test_the_set_after_each_line_is_real_pips_and_few_lines_are_left_to_it() -> None:
    universes = msgspec.json.decode(RECORDED.read_bytes(), type=list[Universe])
    counts = [compared(universe) for universe in universes]
    known, unknown = map(sum, zip(*counts, strict=True))
    assert known > 10 * unknown, (known, unknown)
    assert known > 130


@pytest.mark.slow
def test_nothing_depends_on_the_order_in_which_an_index_lists_files() -> None:
    for universe in msgspec.json.decode(RECORDED.read_bytes(), type=list[Universe])[:20]:
        compared(msgspec.structs.replace(universe, releases=universe.releases[::-1]))
