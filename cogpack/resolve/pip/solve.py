"""Packages are pinned one after the other, as pip pins them, over what is installed.

pip's rules are those of resolvelib's loop with pip's order (25.1 and later): what is wanted of a package is gathered,
the package that pip prefers gets the first version that fits, and with it come its own wishes; one that no longer fits
is pinned anew. Where pip would have to take back another pin, or to build a source, its choice is not foreseen here.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec
from installer import utils  # never of its parts: threads that begin with two of them deadlock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.resolve.pip.offers import Offer, Taste, WheelCandidate, applicable

Upgrade: TypeAlias = Literal["to-satisfy-only", "only-if-needed", "eager"]
"""pip's own names: without `--upgrade`, and with it the two of `--upgrade-strategy`."""


class UnforeseenError(Exception):
    """Raised where what pip would do isn't known without running it; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Metadata(msgspec.Struct, frozen=True):
    """Holds what a distribution says of itself: what it requires, which extras it has, and of which Python it is."""

    requires: tuple[Requirement, ...] = ()
    extras: frozenset[str] = frozenset()
    python: str = ""

    def needed(self, environment: Mapping[str, str], extras: Collection[str] = ()) -> Iterator[Requirement]:
        """Give what it requires where markers have these values, with the first of `extras` that asks for it."""
        for requirement in self.requires:
            marker = requirement.marker
            if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras or ("",)):
                yield requirement


def read_metadata(text: str) -> Metadata:
    """Read METADATA; `UnforeseenError` for what pip versions read differently."""
    found = utils.parse_metadata_file(text)
    try:
        return Metadata(
            tuple(Requirement(str(line).strip()) for line in found.get_all("Requires-Dist", [])),
            frozenset(canonicalize_name(str(extra)) for extra in found.get_all("Provides-Extra", [])),
            str(SpecifierSet(str(found.get("Requires-Python", "")).strip())),
        )
    except (InvalidRequirement, InvalidSpecifier, RecursionError) as error:
        raise UnforeseenError(f"{found.get('Name', 'a package')} has metadata that is not valid: {error}") from error


class Package(msgspec.Struct, frozen=True):
    """Is one version of a package: what is installed, or the `file` that would be."""

    name: str
    version: Version
    file: Offer | None = None


class Asked(msgspec.Struct, frozen=True):
    """Is what a command asks for. `package`: the wheel that it names by its address."""

    requirement: Requirement
    package: Package | None = None


class Source(Protocol):
    """Says what is there: installed, offered, and what distributions say of themselves."""

    def installed(self, name: str) -> Package | None: ...
    def offered(self, name: str) -> Sequence[WheelCandidate]: ...
    def metadata(self, package: Package) -> Metadata: ...


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Is a `pip install`. `constraints`: requirements of `-c`; `force`: `--force-reinstall`; `environment`: values of
    the markers; `preferred`: versions that are taken before newer ones, where they fit; `by_address`: by name, what
    packages require by its address."""

    asked: tuple[Asked, ...]
    constraints: tuple[Requirement, ...] = ()
    upgrade: Upgrade = "to-satisfy-only"
    dependencies: bool = True
    force: bool = False
    taste: Taste = Taste()
    environment: Mapping[str, str]
    preferred: Mapping[str, Version] = {}
    by_address: Mapping[str, Package] = {}


def solve(command: Command, source: Source) -> tuple[Package, ...]:
    """Give all packages that pip would choose, those that are installed and stay among them; `UnforeseenError`."""
    return _Resolution(command, source).run()


class _Pin(msgspec.Struct, frozen=True, eq=False):
    """Is a choice for an identifier: a package, or the package with extras, which is a node of its own."""

    package: Package
    extras: frozenset[str] = frozenset()

    @property
    def identifier(self) -> str:
        return _identifier(self.package.name, self.extras)


class _Wish(msgspec.Struct, frozen=True, eq=False):
    """Is one requirement of one node: by versions, or for just one `package`."""

    name: str
    extras: frozenset[str]
    specifier: SpecifierSet
    package: Package | None = None

    @property
    def identifier(self) -> str:
        return _identifier(self.name, self.extras)

    def met_by(self, package: Package) -> bool:
        if self.package is not None:
            return package == self.package
        return self.specifier.contains(package.version, prereleases=True)


class _Node(msgspec.Struct, frozen=True):
    """Gathers the wishes for an identifier, each with who has it. `looked_up`: those that counted when the last of them
    came, of which its candidates follow."""

    wishes: tuple[tuple[_Wish, _Pin | None], ...]
    looked_up: tuple[_Wish, ...]


class _ConflictError(Exception):
    """Raised where nothing fits all wishes; `args` say of what."""


class _Resolution:
    def __init__(self, command: Command, source: Source) -> None:
        self._command = command
        self._source = source
        self._nodes: dict[str, _Node] = {}
        self._pins: dict[str, _Pin] = {}
        self._order: dict[str, int] = {}
        self._constraints: dict[str, SpecifierSet] = {}
        for constraint in command.constraints:
            if constraint.url or constraint.extras:
                raise UnforeseenError(f"{constraint} is no constraint by version")
            if self._applies(constraint):
                name = canonicalize_name(constraint.name)
                self._constraints[name] = self._constraints.get(name, SpecifierSet()) & constraint.specifier

    def run(self) -> tuple[Package, ...]:
        try:
            for wish in self._roots():
                self._add(self._nodes, wish, None)
        except _ConflictError as error:
            raise UnforeseenError(f"pip finds no version of {error}") from None
        for _ in range(10_000):  # of 200,000 that pip gives itself
            waiting = [name for name, node in self._nodes.items() if not self._is_met(name, node)]
            if not waiting:
                connected = self._connected()
                return tuple(pin.package for name, pin in self._pins.items() if name in connected and not pin.extras)
            settled = self._nodes.keys() - set(waiting)
            self._pin(min(waiting, key=self._preference))
            if broken := {name for name in settled if not self._is_met(name, self._nodes[name])}:
                self._forget(broken)
        raise UnforeseenError("pip would pin packages 10,000 times and more: one moves the other")

    def _roots(self) -> list[_Wish]:
        found: list[_Wish] = []
        for place, asked in enumerate(self._command.asked):
            if self._applies(asked.requirement):
                wishes = list(_wishes(asked.requirement, asked.package))
                self._order.setdefault(wishes[0].identifier, place)
                found += wishes
        return sorted(found, key=lambda wish: bool(wish.extras))

    def _applies(self, requirement: Requirement) -> bool:
        return requirement.marker is None or requirement.marker.evaluate({**self._command.environment, "extra": ""})

    def _add(self, nodes: dict[str, _Node], wish: _Wish, parent: _Pin | None) -> None:
        name = wish.identifier
        wishes = (*(nodes[name].wishes if name in nodes else ()), (wish, parent))
        base = nodes[wish.name].wishes if wish.extras and wish.name in nodes else ()
        node = _Node(wishes, tuple(each for each, _ in (*wishes, *base)))
        if next(self._candidates(wish.name, wish.extras, node.looked_up), None) is None:
            raise _ConflictError(_told(wish.name, [each for each, _ in (*wishes, *base)]))
        nodes[name] = node

    def _candidates(self, name: str, extras: frozenset[str], looked_up: Sequence[_Wish]) -> Iterator[Package]:
        """Give what fits, as pip tries it."""
        constraint = self._constraints.get(name, SpecifierSet())
        if explicit := {wish.package for wish in looked_up if wish.package is not None}:
            own = [wish for wish in looked_up if wish.extras == extras]
            for package in explicit:
                if constraint.contains(package.version, prereleases=True) and all(w.met_by(package) for w in own):
                    yield package
            return
        specifier = constraint
        for wish in looked_up:
            specifier &= wish.specifier
        installed = None if self._command.force else self._source.installed(name)
        if installed is not None and not specifier.contains(installed.version, prereleases=True):
            installed = None
        if installed is None or self._is_upgraded(name, extras):
            yield from self._with_installed(name, specifier, installed)
            return
        yield installed
        yield from (package for package in self._offered(name, specifier) if package.version != installed.version)

    def _with_installed(self, name: str, specifier: SpecifierSet, installed: Package | None) -> Iterator[Package]:
        """Give what is installed at its version's place, instead of what is offered of this version."""
        left = installed
        for package in self._offered(name, specifier, above=installed.version if installed else None):
            if left is not None and left.version >= package.version:
                yield left
                left = None
            if installed is None or package.version != installed.version:
                yield package
        if left is not None:
            yield left

    def _offered(self, name: str, specifier: SpecifierSet, *, above: Version | None = None) -> Iterator[Package]:
        found = [
            Package(name, candidate.version, candidate.offer)
            for candidate in applicable(self._source.offered(name), specifier, self._command.taste)
        ]
        preferred = self._command.preferred.get(name)
        if preferred is not None and (above is None or preferred > above):
            found.sort(key=lambda package: package.version != preferred)
        return iter(found)

    def _is_upgraded(self, name: str, extras: frozenset[str]) -> bool:
        if self._command.upgrade == "only-if-needed":
            return _identifier(name, extras) in self._order or name in self._order
        return self._command.upgrade == "eager"

    def _is_met(self, name: str, node: _Node) -> bool:
        pin = self._pins.get(name)
        return pin is not None and all(wish.met_by(pin.package) for wish, _ in node.wishes)

    def _preference(self, name: str) -> tuple[bool, bool, bool, float, bool, str]:
        wishes = [wish for wish, _ in self._nodes[name].wishes]
        limits = [(each.operator, each.version) for wish in wishes if not wish.package for each in wish.specifier]
        pinned = any(operator[:2] == "==" and "*" not in version for operator, version in limits)
        bounded = any(
            operator in ("<", "<=", "~=") or (operator == "==" and "*" in version) for operator, version in limits
        )
        direct = any(wish.package for wish in wishes)
        return not direct, not pinned, not bounded, self._order.get(name, math.inf), not limits, name

    def _pin(self, name: str) -> None:
        node = self._nodes[name]
        wish = node.looked_up[0]
        why = ""
        for package in self._candidates(wish.name, wish.extras, node.looked_up):
            pin = _Pin(package, wish.extras)
            nodes = dict(self._nodes)
            try:
                for each in self._wishes_of(pin):
                    self._add(nodes, each, pin)
            except _ConflictError as error:
                why = why or str(error)
                continue
            self._nodes = nodes
            self._pins.pop(name, None)
            self._pins[name] = pin
            return
        raise UnforeseenError(f"pip would have to go back on what it chose before {name}: nothing fits {why}")

    def _wishes_of(self, pin: _Pin) -> Iterator[_Wish]:
        package = pin.package
        extras: frozenset[str] = frozenset()
        if pin.extras:
            yield _Wish(package.name, frozenset(), SpecifierSet(), package)
            if not self._command.dependencies:
                return
        elif package.file is None and not self._command.dependencies:
            return
        metadata = self._source.metadata(package)
        if pin.extras:
            extras = pin.extras & metadata.extras
        elif package.file is not None:
            python = self._command.environment["python_full_version"]
            if not SpecifierSet(metadata.python).contains(python, prereleases=True):
                raise _ConflictError(f"Python{metadata.python}")
        if self._command.dependencies:
            for requirement in metadata.needed(self._command.environment, extras):
                own = self._command.by_address.get(canonicalize_name(requirement.name)) if requirement.url else None
                if requirement.url and own is None:
                    raise UnforeseenError(f"{package.name} {package.version} requires a file by its address")
                yield from _wishes(requirement, own)

    def _forget(self, broken: Collection[str]) -> None:
        """Take out what packages wish that are to be pinned anew. What followed from it for candidates stays, as it
        does with pip."""
        for name, node in self._nodes.items():
            wishes = tuple(
                (wish, parent) for wish, parent in node.wishes if not (parent and parent.identifier in broken)
            )
            self._nodes[name] = _Node(wishes, node.looked_up)

    def _connected(self) -> set[str]:
        """Name what the command asks for, and what that needs."""
        found: set[str] = set()
        while True:
            more = {
                name
                for name, node in self._nodes.items()
                if name not in found
                and any(
                    parent is None or (parent.identifier in found and self._pins[parent.identifier] is parent)
                    for _, parent in node.wishes
                )
            }
            if not more:
                return found
            found |= more


def _wishes(requirement: Requirement, package: Package | None = None) -> Iterator[_Wish]:
    """Give a requirement's wishes: of one with extras, the package itself is wished for, too."""
    name = canonicalize_name(requirement.name)
    extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
    none: frozenset[str] = frozenset()
    if extras and (package or requirement.specifier):
        yield _Wish(name, none, requirement.specifier, package)
    yield _Wish(name, extras, requirement.specifier, package)


def _identifier(name: str, extras: frozenset[str]) -> str:
    return f"{name}[{','.join(sorted(extras))}]" if extras else name


def _told(name: str, wishes: Sequence[_Wish]) -> str:
    specifier = SpecifierSet()
    for wish in wishes:
        specifier &= wish.specifier
    exact = next((f" that is {wish.package.version}" for wish in wishes if wish.package), "")
    return f"{name}{specifier}{exact}"
