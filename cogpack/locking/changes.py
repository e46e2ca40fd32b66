"""People are told what a new lock has that the one before it had not."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cogpack.lockfile import Decisions, Lock
from cogpack.lockfile.base_kinds import Base, DebianBase, RegistryBase
from cogpack.locking.wheels.building import compiling_base
from cogpack.text import count_text, size_text

_PACKAGE = "Debian package"
_BUILD_PACKAGE = "build-time package"
_MOST = 20
"""Packages of one kind that are named; of more, Debian's after an upgrade, there is a count."""


class Change(msgspec.Struct, frozen=True):
    """Is one thing that changed. `before` and `after`: versions, the one None that there is not. `kind`: of what `name`
    names one."""

    kind: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"added    {self.name} {self.after}"
        if self.after is None:
            return f"removed  {self.name} {self.before}"
        return f"moved    {self.name} {self.before} -> {self.after}"


def changes(before: Lock, after: Lock, platform: str) -> list[Change]:
    """List what changed, by kind, and each kind by name. Other platforms are as they were."""
    old, new = before.platforms.get(platform), after.platforms[platform]
    was, held = _in_words(old.base) if old else _NOTHING, _in_words(new.base)
    packages = {**_replaced(was, held), **was.packages}, {**_replaced(held, was), **held.packages}
    return [
        *_moves("image format", {"image format": str(before.format)}, {"image format": str(after.format)}),
        *_moves("base", was.base, held.base),
        *_moves("archive", _archives(old), _archives(new)),
        *_moves(_PACKAGE, *packages),
        *_moves(_BUILD_PACKAGE, _beside(old), _beside(new)),
        *_moves("interpreter", _interpreter(old), _interpreter(new)),
        *_moves("wheel", _wheels(old, new), _wheels(new, old)),
        *_moves("fetched file", _fetches(old), _fetches(new)),
        *_moves("clone", _clones(old), _clones(new)),
        *_moves("repository of the hub", _hub(old), _hub(new)),
        *_moves("weight", _weights(before), _weights(after)),
    ]


def package_changes(before: Lock, after: Lock, platform: str) -> list[Change]:
    """List what changed of Debian's packages, those that builds alone have among them."""
    return [one for one in changes(before, after, platform) if one.kind in (_PACKAGE, _BUILD_PACKAGE)]


def change_lines(found: Sequence[Change], *, whole: bool = False) -> list[str]:
    """Tell each in a line, but a kind that has too many by their count, unless `whole`."""
    lines: list[str] = []
    for kind in dict.fromkeys(change.kind for change in found):
        own = [change for change in found if change.kind == kind]
        lines += [str(change) for change in own] if whole or len(own) <= _MOST else [_counted(kind, own)]
    return lines


def build_lines(before: Lock | None, after: Lock, platform: str) -> list[str]:
    """Tell what wheels are built of, where that is new."""
    old = before.platforms.get(platform) if before else None
    known = old.built_of if old else {}
    return [
        f"built    {wheel} of {source}"
        for wheel, source in after.platforms[platform].built_of.items()
        if known.get(wheel) != source
    ]


def _counted(kind: str, found: Sequence[Change]) -> str:
    added = sum(change.before is None for change in found)
    removed = sum(change.after is None for change in found)
    moved = len(found) - added - removed
    return f"changed  {count_text(len(found), kind)}: {added} added, {removed} removed, {moved} moved"


def unlike_versions(platforms: Mapping[str, Decisions]) -> list[str]:
    """Tell which wheels the platforms have in more than one version: of the newest there may be no file for each."""
    found: dict[str, dict[str, list[str]]] = {}
    for platform, decisions in platforms.items():
        for wheel in decisions.wheels:
            found.setdefault(wheel.name, {}).setdefault(wheel.version, []).append(platform)
    lines = []
    for name, versions in sorted(found.items()):
        told = [f"{version} on {' and '.join(of)}" for version, of in versions.items()]
        lines += [f"unlike   {name} {', '.join(told)}"] if len(told) > 1 else []
    return lines


def holdings(decisions: Decisions) -> str:
    """Sum up: `130 Debian packages (89.2 MB), CPython 3.12.16 and 13 wheels (41.2 MB)`, or of an image its
    reference."""
    sizes = [wheel.size for wheel in decisions.wheels]
    known = f" ({size_text(sum(size or 0 for size in sizes))})" if None not in sizes else ""
    ground = [_in_words(decisions.base).text, *(f"{name} {held}" for name, held in _interpreter(decisions).items())]
    return f"{', '.join(ground)} and {count_text(len(sizes), 'wheel')}{known}"


def _moves(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change(kind, name, before.get(name), after.get(name))


class _BaseInWords(msgspec.Struct, frozen=True):
    """Is what people are told of a base: its `text`; its name and version; and, by name, the versions of its
    packages, and of those in an image of a registry that they take the place of."""

    text: str
    base: Mapping[str, str] = {}
    packages: Mapping[str, str] = {}
    replaced: Mapping[str, str] = {}


_NOTHING = _BaseInWords("")


def _in_words(base: Base) -> _BaseInWords:
    match base:
        case DebianBase(installed=debs):
            text = f"{count_text(len(debs), 'Debian package')} ({size_text(sum(deb.size for deb in debs))})"
            title = f"{base.title} {base.suite}"
            return _BaseInWords(text, {title: base.arch}, {deb.name: deb.version for deb in debs})
        case RegistryBase(system_packages=over):
            debs = over.packages
            more = f" with {count_text(len(debs), _PACKAGE)} ({size_text(sum(deb.size for deb in debs))})"
            versions = {deb.name: deb.version for deb in debs}
            text = base.reference + (more if debs else "")
            replaced = {deb.name: deb.instead_of for deb in debs if deb.instead_of}
            return _BaseInWords(text, {base.reference: base.digest[7:19]}, versions, replaced)


def _replaced(one: _BaseInWords, other: _BaseInWords) -> Mapping[str, str]:
    """Give the versions that `one` has of what `other` lays packages over, where both are over the same image."""
    return other.replaced if one.base == other.base else {}


def _beside(decisions: Decisions | None) -> dict[str, str]:
    """Give the versions of packages that builds have and the image has not."""
    if decisions is None:
        return {}
    there = {(deb.name, deb.version) for deb in decisions.base.installed}
    packages = (*decisions.build_base.system_packages.packages, *compiling_base(decisions).system_packages.packages)
    return {deb.name: deb.version for deb in packages if (deb.name, deb.version) not in there}


def _interpreter(decisions: Decisions | None) -> dict[str, str]:
    """Give the version of one that is laid over the base, by its name."""
    found = decisions.interpreter if decisions else None
    return {"CPython": found.version} if found else {}


def _wheels(decisions: Decisions | None, beside: Decisions | None) -> dict[str, str]:
    """Give versions by name; where the other lock has another file of the same version, with the digest."""
    others = {(wheel.name, wheel.version): wheel.sha256 for wheel in beside.wheels} if beside else {}
    return {
        wheel.name: wheel.version
        if others.get((wheel.name, wheel.version), wheel.sha256) == wheel.sha256
        else f"{wheel.version} ({wheel.sha256[:12]})"
        for wheel in (decisions.wheels if decisions else ())
    }


def _fetches(decisions: Decisions | None) -> dict[str, str]:
    return {pin.url: pin.sha256[:12] for pin in (decisions.fetches if decisions else ())}


def _archives(decisions: Decisions | None) -> dict[str, str]:
    """Give the keys of archives beside Debian's, by address and suites."""
    base = decisions.base if decisions else None
    found = base.system_packages.archives if base else ()
    return {f"{one.uri} {' '.join(one.suites)}": ", ".join(one.fingerprints) for one in found}


def _clones(decisions: Decisions | None) -> dict[str, str]:
    return {f"{pin.url} in /{pin.directory}": pin.commit[:12] for pin in (decisions.clones if decisions else ())}


def _hub(decisions: Decisions | None) -> dict[str, str]:
    pins = decisions.hub_revisions if decisions else ()
    return {f"hf://{pin.repository}@{pin.revision}": pin.commit[:12] for pin in pins}


def _weights(lock: Lock) -> dict[str, str]:
    return {weight.path: weight.revision or weight.sha256[7:19] for weight in lock.weights}
