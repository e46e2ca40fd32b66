"""A file that an index or a page of links offers, and which of those of one project pip would take first.

As pip's `index/package_finder.py` (26.3) has it, which is where each rule here can be looked up.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma")
_OF_ONE_PYTHON = re.compile(r"-py([123]\.?[0-9]?)$")


Hashes: TypeAlias = tuple[tuple[str, str], ...]
"""By the names of their algorithms, in hex."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for a file. `url` may be signed or hold a login: not to be shown or kept. `sha256`: where the page says
    it; `uploaded`: when, in RFC 3339; `metadata`: a file beside it has the wheel's METADATA (PEP 658), of these
    hashes."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str = ""
    yanked: bool = False
    uploaded: str = ""
    metadata: Hashes | None = None


class WheelCandidate(msgspec.Struct, frozen=True):
    """Is an offer that the target could take. `rank`: the greater, the better the file among those of one version; a
    source archive has -infinity."""

    version: Version
    offer: Offer
    rank: float
    build: tuple[int, str] | tuple[()] = ()

    @property
    def is_wheel(self) -> bool:
        return self.offer.filename.endswith(".whl")


class Taste(msgspec.Struct, frozen=True, kw_only=True):
    """Says which files a command may take: `--pre`, `--prefer-binary`, `--only-binary`, `--no-binary`."""

    pre: bool = False
    prefer_binary: bool = False
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()

    def formats(self, name: str) -> tuple[bool, bool]:
        """Tell whether wheels and whether source archives of a package may be taken: what names it counts, and of both
        the one that is named alone."""
        wheels = source = True
        only, none = _names(self.only_binary), _names(self.no_binary)
        if name in only:
            source = False
        elif name in none:
            wheels = False
        elif ":all:" in only:
            source = False
        elif ":all:" in none:
            wheels = False
        return wheels, source


def _names(values: Iterable[str]) -> frozenset[str]:
    """Read values in order: `:none:` empties what was before it."""
    found: set[str] = set()
    for value in values:
        if value == ":none:":
            found.clear()
        else:
            found.add(value if value == ":all:" else canonicalize_name(value))
    return frozenset(found)


def candidates(
    name: str, offers: Iterable[Offer], *, tags: Mapping[Tag, int], python: str, taste: Taste
) -> tuple[WheelCandidate, ...]:
    """Give what of `offers` are files of the package `name`, canonical, for the target: Python's full version `python`
    and `tags`, each with its place, the best first."""
    wheels, source = taste.formats(name)
    found = []
    for offer in offers:
        read = _wheel(name, offer, tags) if offer.filename.endswith(".whl") else _archive(name, offer, python)
        if read is not None and (wheels if read.is_wheel else source) and _fits(offer.requires_python, python):
            found.append(read)
    return tuple(found)


def _wheel(name: str, offer: Offer, tags: Mapping[Tag, int]) -> WheelCandidate | None:
    try:
        project, version, build, own = parse_wheel_filename(offer.filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    places = [tags[tag] for tag in own if tag in tags]
    return WheelCandidate(version, offer, -min(places), build) if project == name and places else None


def _archive(name: str, offer: Offer, python: str) -> WheelCandidate | None:
    """Read `NAME-VERSION.tar.gz`, in which the name may have hyphens of its own."""
    stem = next((offer.filename[: -len(end)] for end in _ARCHIVES if offer.filename.lower().endswith(end)), None)
    if stem is None:
        return None
    for at in (match.start() for match in re.finditer("-", stem)):
        if canonicalize_name(stem[:at]) == name:
            version = stem[at + 1 :]
            if found := _OF_ONE_PYTHON.search(version):
                version = version[: found.start()]
                if found[1] != python.rpartition(".")[0]:
                    return None
            try:
                return WheelCandidate(Version(version), offer, float("-inf"))
            except InvalidVersion:
                return None
    return None


def _fits(requires: str, python: str) -> bool:
    """Tell whether the page lets this Python have the file; what is no specifier does."""
    try:
        return SpecifierSet(requires).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def applicable(found: Sequence[WheelCandidate], specifier: SpecifierSet, taste: Taste) -> Iterator[WheelCandidate]:
    """Give one file of each version that fits, as pip would try them: the newest version first.

    A release that was taken back (PEP 592) only where all that fits was, and `==` or `===` names it.
    """
    versions = {candidate.version for candidate in found}
    fitting = set(specifier.filter(versions, prereleases=True if taste.pre else None))
    left = [candidate for candidate in found if candidate.version in fitting]
    withdrawn = all(candidate.offer.yanked for candidate in left) and _is_pinned(specifier)

    def key(candidate: WheelCandidate) -> tuple[bool, Version, float, tuple[int, str] | tuple[()]]:
        return taste.prefer_binary and candidate.is_wheel, candidate.version, candidate.rank, candidate.build

    seen: set[Version] = set()
    # Of equals the last one: pip sorts upwards, and goes from the end.
    for candidate in reversed(sorted(left, key=key)):  # noqa: C413
        if (withdrawn or not candidate.offer.yanked) and candidate.version not in seen:
            seen.add(candidate.version)
            yield candidate


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(
        each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*")) for each in specifier
    )
