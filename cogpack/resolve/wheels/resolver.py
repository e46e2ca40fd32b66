"""What is required becomes locked wheels, and locked wheels are found again on the indexes of today."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from cogpack.config.model import PLAIN_TORCH_INDEX
from cogpack.disk import DiskError
from cogpack.errors import InputError, MismatchError, UnavailableError, together
from cogpack.lockfile import FILE, LockedBuild, LockedWheel
from cogpack.notes import Note
from cogpack.progress import SILENT, Progress
from cogpack.requirements.model import anonymous
from cogpack.resolve.wheels.choice import best_wheel, filename_of, named_hashes, no_wheel, sha256_of
from cogpack.resolve.wheels.compile import compile_lock, way_to
from cogpack.resolve.wheels.elsewhere import is_elsewhere
from cogpack.resolve.wheels.failures import AddressDeniedError, AddressError, BlamedError
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.local import for_uv, local_path
from cogpack.resolve.wheels.sources import Neighbours, Sources
from cogpack.resolve.wheels.target import TargetPython
from cogpack.resolve.wheels.torch import BUILT

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageWheel

_MOST_FAULTS = 32
"""Runs of uv, less than a second each, to find all that must change."""

_DIRECT = re.compile(r"^\S+ @ (\S+)")


class Resolved(msgspec.Struct, frozen=True):
    """Holds `wheels` by name; `addresses`: where each was found, by its sha256, with credentials: not to be shown or
    kept.

    `notes`: what one should know of what was chosen; `torch_index`: where torch is from, where there is one; `builds`
    and `build_requirements`: as in `Decisions`.
    """

    wheels: tuple[LockedWheel, ...]
    addresses: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    torch_index: str | None = None
    builds: tuple[LockedBuild, ...] = ()
    build_requirements: tuple[LockedWheel, ...] = ()


def resolve_wheels(
    requirements: Sequence[str],
    *,
    constraints: Sequence[str],
    overrides: Sequence[str] = (),
    root: Path,
    target: TargetPython,
    indexes: Indexes,
    exclude_newer: str | None,
    preferences: Sequence[LockedWheel],
    seeds: Mapping[str, str] = {},
    optional: Mapping[str, Note] = {},
    dependencies: bool = True,
    built: Mapping[str, LockedWheel] = {},
    cache: Path,
    metadata: Path,
    sources: Sources | None = None,
    places: Callable[[str], Sequence[str]] = lambda _: (),
    title: str = "",
    progress: Progress = SILENT,
) -> Resolved:
    """Choose the wheels that fulfil `requirements` (lines; `./x.whl` relative to `root`).

    `overrides`: lines that count in place of what others require of their packages;
    `preferences`: pins that are kept where they still fit; `seeds`: versions, by name, that go before them;
    `optional`: names that are required, too, unless nothing fits with them: then each is told by its note;
    not `dependencies`: what these require is not asked for;
    `built`: wheels by file name that lines name by `file:`, and nobody else has; `cache`: for a scratch directory;
    `metadata`: uv's own cache, which decides hashes; `title`: what the user is told that is resolved. Where a line
    names hashes, the wheel has one of them.
    `places` gives the lines, as `file:line`, that a text is about. `sources`: what there is of packages that only have
    source.

    `InputError` when nothing fits, or only source is there and can't be built, of all packages together that are at
    fault alone; `UnavailableError` and `DeniedError` from the indexes.
    """
    task = progress.task(title or f"wheels for Python {target.python}", None, "resolve")
    local = {Path(path).name: path for path in map(local_path, requirements) if path}
    lines = [indexes.expanded(for_uv(line, root)) for line in requirements]
    faults: list[InputError] = []
    without: list[str] = []
    of_torch = indexes.torch.names(lines, target.environment()) if indexes.torch else []
    soft = dict(optional)
    left_out: list[Note] = []

    kept = {
        wheel.name: wheel.version
        for wheel in preferences
        if not wheel.path and (not wheel.url or is_elsewhere(wheel.name, Version(wheel.version)))
    } | dict(seeds)

    def compiled(
        preferred: Mapping[str, str] = kept, via: dict[str, tuple[str, ...]] | None = None
    ) -> "tuple[list[Package], list[Note]]":
        return compile_lock(
            [*lines, *soft],
            constraints,
            target=target,
            indexes=indexes.with_directories(sources.directories) if sources else indexes,
            exclude_newer=exclude_newer,
            preferences=preferred.items(),
            cache=cache,
            metadata=metadata,
            without=without,
            overrides=overrides,
            of_torch=of_torch,
            via=via,
            more=() if dependencies else ("--no-deps",),
        )

    def requirers(packages: "Sequence[Package]") -> dict[str, tuple[str, ...]]:
        via: dict[str, tuple[str, ...]] = {}
        with suppress(UnavailableError):  # what failed is told all the same
            compiled({one.name: str(one.version) for one in packages if one.version}, via)
        return via

    def leave_out(names: Collection[str]) -> bool:
        found = [soft.pop(name) for name in names if name in soft]
        left_out.extend(found)
        return bool(found)

    hashes = named_hashes([*requirements, *constraints])
    tags = target.tags()  # a thousand: made once for all wheels

    def located(package: "Package") -> tuple[LockedWheel, str | None]:
        if package.archive is not None and (own := built.get(filename_of(package.archive))) is not None:
            return own, None
        if sources and (own := next(filter(None, map(sources.built, _hashes([package]))), None)):
            return own, own.url
        return _locked(package, target, tags, hashes, local, root, _written(requirements, indexes))

    def neighbours(packages: "Sequence[Package]") -> Neighbours:
        found: dict[str, tuple[LockedWheel, str]] = {}
        for package in packages:
            with suppress(InputError):  # which is told in the end
                wheel, address = located(package)
                path = str(root / wheel.path) if wheel.path else wheel.url or ""
                found[wheel.sha256] = wheel, indexes.authorised(address) if address else path
        return Neighbours(
            wheels=tuple(wheel for wheel, _ in found.values()), address=lambda wheel: found[wheel.sha256][1]
        )

    while True:
        try:
            packages, notes = compiled()
            further = sorted({canonicalize_name(one.name) for one in packages if one.archive is None} & BUILT)
            if indexes.torch is not None and not set(of_torch).issuperset(further):
                of_torch = sorted({*of_torch, *further})  # others require it
                continue
            failed = sources.build(_hashes(packages), partial(neighbours, packages)) if sources else None
            if failed is None:
                break
            via = requirers(packages) if failed else {}
            faults += (_at(error, places, way_to(name, via)) for name, error in failed.items())
            without += failed
        except BlamedError as error:
            # Looked for one by one: uv tells of the first, and a project may have many.
            if leave_out(error.packages):
                continue  # who else requires one is told then
            new = [name for name in error.packages if name not in without]
            if new and sources and (sources.offer(new) or sources.relax()):
                continue
            known = [why for name in new if sources and (why := sources.why_not(name))]
            faults += (_at(one, places) for one in known or [error])
            without += new
            if not new or len(faults) == _MOST_FAULTS:
                raise together(faults) from error
        except DiskError:
            raise
        except InputError as error:
            if (sources and sources.relax()) or leave_out(tuple(soft)):
                continue
            raise together([*faults, _at(error, places)]) from error
        except (AddressError, AddressDeniedError) as error:
            raise type(error)(_placed(error.message, places), next_step=error.next_step) from error
        except UnavailableError as error:
            raise _torch_away(error, indexes) from error
    found = []
    for package in packages:
        try:
            found.append(located(package))
        except InputError as error:
            faults.append(_at(error, places))
    if faults:
        raise together(faults)
    task.done("resolved")
    return Resolved(
        tuple(sorted((wheel for wheel, _ in found), key=lambda wheel: wheel.name)),
        {wheel.sha256: indexes.authorised(address) for wheel, address in found if address},
        (*left_out, *(Note(note.code, _placed(note.text, places)) for note in notes)),
    )


def _hashes(packages: "Sequence[Package]") -> frozenset[str]:
    found = (sha256_of(wheel.hashes) for package in packages for wheel in package.wheels or ())
    return frozenset(filter(None, found))


def _at(error: InputError, places: Callable[[str], Sequence[str]], way: str = "") -> InputError:
    return InputError(_placed(way + error.message, places), next_step=error.next_step)


def _torch_away(error: UnavailableError, indexes: Indexes) -> UnavailableError:
    if indexes.torch is None or indexes.torch.address not in error.message:
        return error
    return UnavailableError(
        error.message,
        next_step="reach it, or a copy of it by COGPACK_URL_MAP; or take torch from where all other packages come "
        f"from: cogpack: {{torch_index: {PLAIN_TORCH_INDEX}}} in cog.yaml",
    )


def _placed(text: str, places: Callable[[str], Sequence[str]]) -> str:
    """Begin `text` with the lines that it is about; below its own line is what others said."""
    lines = ", ".join(places(text.partition("\n")[0]))
    return f"{lines}: {text}" if lines else text


def _written(requirements: Sequence[str], indexes: Indexes) -> dict[str, str]:
    """Give, by file name, addresses of wheels as they are written, where uv is given others: those with variables,
    whose values may be secret, and those that are mapped."""
    found = (_DIRECT.search(line) for line in requirements if indexes.asked_line(indexes.expanded(line)) != line)
    addresses = [match[1].partition("#")[0] for match in found if match]
    return {unquote(urlsplit(address).path.rpartition("/")[2]): address for address in addresses}


def wheel_urls(
    wheels: Sequence[LockedWheel], *, indexes: Indexes, target: TargetPython, cache: Path, metadata: Path
) -> dict[str, list[str]]:
    """Find, by sha256, addresses of locked wheels on the indexes that are configured now; name and hash must agree.

    A wheel that they don't list is missing in the answer. Addresses may hold credentials: not to be shown or kept.
    """
    if not wheels:
        return {}
    lines = [f"{wheel.name}=={wheel.version}" for wheel in wheels]
    try:
        packages, _ = compile_lock(
            lines,
            (),
            target=target,
            indexes=indexes,
            exclude_newer=None,
            preferences=(),
            cache=cache,
            metadata=metadata,
            more=["--no-deps"],
            of_torch=indexes.torch.names(lines, target.environment()) if indexes.torch else (),
        )
    except DiskError:
        raise
    except InputError as error:
        raise UnavailableError(
            f"a package index no longer has what cogpack.lock names: {error.message}",
            next_step="configure the index that the lock was made with, or run cogpack lock --upgrade",
        ) from error
    listed = {filename_of(wheel): wheel for package in packages for wheel in package.wheels or () if wheel.url}
    urls: dict[str, list[str]] = {}
    for wheel in wheels:
        if (there := listed.get(wheel.filename)) is None:
            continue
        if (found := sha256_of(there.hashes)) != wheel.sha256:
            raise MismatchError(
                f"{FILE} pins {wheel.filename} to sha256:{wheel.sha256}, the index has sha256:{found}",
                next_step="restore the lock from git; if the file was replaced, ask its publisher",
            )
        urls[wheel.sha256] = [indexes.authorised(str(there.url))]
    return urls


def _locked(
    package: "Package",
    target: TargetPython,
    tags: Mapping[Tag, int],
    hashes: dict[str, frozenset[str]],
    local: dict[str, str],
    root: Path,
    written: dict[str, str],
) -> tuple[LockedWheel, str | None]:
    """Choose the wheel of a package, and give the address that uv has of it."""
    name = canonicalize_name(package.name)
    allowed = hashes.get(name)
    if package.archive is not None:  # a requirement that names one file
        archive = package.archive
        filename = filename_of(archive)
        if not filename.endswith(".whl"):
            raise no_wheel(name, str(package.version or ""), target)
        path = None if archive.url else local.get(filename)
        if archive.url is None and path is None:
            raise InputError(
                f"requirements: {name} is required as a file of this machine, by a wheel",
                next_step="name its wheel in the requirements, or take another version of what requires it",
            )
        sha256 = sha256_of(archive.hashes)
        if sha256 is None or (allowed is not None and sha256 not in allowed):
            raise _wrong_hash(filename, sha256)
        wheel = LockedWheel(
            name=name,
            version=str(package.version or parse_wheel_filename(filename)[1]),
            filename=filename,
            sha256=sha256,
            size=(root / path).stat().st_size if path else archive.size,
            # Without user and password, and without the values of variables: the lock is committed.
            url=anonymous(written.get(filename, archive.url)) if archive.url else None,
            path=path,
        )
        return wheel, written.get(filename, archive.url) if archive.url else None
    version = str(package.version or "")
    best = best_wheel(package.wheels or (), tags, allowed)
    if best is None:
        if allowed is not None and (other := best_wheel(package.wheels or (), tags, None)):
            raise _wrong_hash(filename_of(other), sha256_of(other.hashes))
        raise no_wheel(name, version, target)
    sha256 = sha256_of(best.hashes)
    assert sha256 is not None
    wheel = LockedWheel(name=name, version=version, filename=filename_of(best), sha256=sha256, size=_size(best))
    return wheel, best.url


def _size(wheel: "PackageWheel") -> int | None:
    """Tell its bytes; of files on this machine, uv does not."""
    if wheel.size is None and wheel.url and wheel.url.startswith("file://"):
        return Path(unquote(urlsplit(wheel.url).path)).stat().st_size
    return wheel.size


def _wrong_hash(filename: str, sha256: str | None) -> InputError:
    if sha256 is None:
        return InputError(f"requirements: {filename} has no sha256 on its index", next_step="use another index")
    return InputError(
        f"requirements: {filename} has sha256:{sha256}, which is none of the hashes named for it",
        next_step="if this is the file you mean, add its hash; if not, find out who changed it",
    )
