"""A sweep lists what is in the cache, and removes it: by names that only cogpack gives, links never followed.

Nothing goes that a running process has asked for since it started, nor what was made on that day or later.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cogpack.cache.kept import RUNNING, USED, locked
from cogpack.cache.place import DIRECTORIES
from cogpack.disk import is_directory
from cogpack.errors import InputError

_DAY = 24 * 3600
_HEX2, _HEX = r"[0-9a-f]{2}", r"[0-9a-f]{64}"
_PART = r"\.(?:cogpack|part)-[0-9a-f]{16}(?:[0-9a-f]{16}(?:\.journal)?)?"
"""What a killed process left (`is_unfinished`)."""

_FILES = {
    "downloads": re.compile(rf"artifacts/sha256/{_HEX2}/(?:{_HEX}(?:\.replaced)?|{_PART})"),
    "facts": re.compile(
        rf"facts/{_HEX2}/(?:{_HEX}\.(?:json|fact)|{_PART})"
        rf"|homes/[^/]+/{_HEX2}/(?:{_HEX}|{_PART})"
        rf"|challenges/(?:{_HEX}|{_PART})"
        rf"|fingerprints/(?:{_HEX}|{_PART})"
        rf"|libraries/{_HEX2}/(?:{_HEX}\.[0-9]+-[0-9a-f]{{8}}|{_PART})"
    ),
    "bytecode": re.compile(rf"bytecode/{_HEX2}/(?:{_HEX}|{_PART})"),
    "Debian indexes": re.compile(
        rf"debs/(?:{_HEX}\.(?:[0-9]+(?:-[0-9a-f]{{8}})?\.(?:records|table)|release|signature|index|keys)|{_PART})"
    ),
    "unpacked packages": re.compile(rf"debs/{_HEX}\.[0-9]+\.unpacked"),
    "lists of bases": re.compile(rf"bases/(?:{_HEX}\.[0-9]+-[0-9a-f]{{8}}|{_PART})"),
    "layers of build.run": re.compile(rf"steps/(?:{_HEX}(?:\.lock|\.result)?|rate|{_PART})"),
    "scratch": re.compile(rf"\.spool-\w{{8}}|{_PART}|trees/mounts-[0-9a-f]{{32}}"),
}
_TREES = {
    "package indexes": re.compile(r"uv/[0-9a-f]{16}"),
    "git repositories": re.compile(rf"git/[0-9a-f]{{16}}/{_HEX}"),
    "laid images": re.compile(rf"trees/{_HEX}"),
    "downloads of models": re.compile(r"kept/[0-9a-f]{32}"),
    "scratch": re.compile(r"resolve-\w{8}|\.removed-[0-9a-f]{16}|trees/(?:\.cogpack-[0-9a-f]{16}|probe-\w{8})"),
}
_SCRATCH = frozenset({"requirements.in", "constraints.txt", "pylock.cogpack.toml"})
_RECORDS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can go by itself. `name`: relative; `size`: bytes; `last`: its last use, seconds since 1970."""

    kind: str
    name: str
    size: int
    files: int
    last: float


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep did, in bytes and files; `busy`: bytes that would have gone, but that a running process may want."""

    removed: int
    files: int
    left: int
    busy: int


def items(root: Path) -> list[Item]:
    """Return all that cogpack made in it, the longest unused first."""
    used = _uses(root)
    found = [_item(root, kind, name, used) for kind, name in _walk(root, "")]
    return sorted((item for item in found if item), key=lambda item: (item.last, item.name))


def clean(root: Path) -> Swept:
    """Remove everything."""
    return _sweep(root, lambda found: found)


def prune(root: Path, *, days: int, limit: int | None, now: float) -> Swept:
    """Remove what was not used for `days`, and of the rest the longest unused until `limit` bytes are left."""

    def due(found: list[Item]) -> list[Item]:
        old = {item.name: item for item in found if item.last < now - days * _DAY or item.kind == "scratch"}
        left = sum(item.size for item in found) - sum(item.size for item in old.values())
        for item in found:
            if limit is None or left <= limit:
                break
            if item.name not in old:
                old[item.name] = item
                left -= item.size
        return list(old.values())

    return _sweep(root, due)


def _sweep(root: Path, due: Callable[[list[Item]], list[Item]]) -> Swept:
    if not is_directory(root):
        return Swept(removed=0, files=0, left=0, busy=0)
    try:
        with locked(root, fcntl.LOCK_EX):
            return _swept(root, due)
    except OSError as error:
        raise InputError(
            f"{root}: {error.strerror or error}", next_step="run it as the user whose cache it is"
        ) from error


def _swept(root: Path, due: Callable[[list[Item]], list[Item]]) -> Swept:
    since = _running_since(root)
    found = items(root)
    wanted = due(found)
    gone = [item for item in wanted if since is None or item.last < since]
    busy = sum(item.size for item in wanted) - sum(item.size for item in gone)
    failed = [name for item in gone if not _remove(root, name := item.name)]
    if failed:
        raise InputError(
            f"{root}/{failed[0]}: can't be removed, nor {len(failed) - 1} others",
            next_step="run it as the user whose cache it is",
        )
    if since is None:
        _remove_records(root, {item.name for item in found} - {item.name for item in gone})
        _remove_empty(root, [item.name for item in gone])
    return Swept(
        removed=sum(item.size for item in gone),
        files=sum(item.files for item in gone),
        left=sum(item.size for item in found) - sum(item.size for item in gone),
        busy=busy,
    )


def _walk(root: Path, directory: str) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what is ours; directories that are not are not entered, whatever their names."""
    try:
        with os.scandir(root / directory) as found:
            entries = list(found)
    except OSError:
        return
    for entry in entries:
        name = f"{directory}/{entry.name}" if directory else entry.name
        if entry.is_dir(follow_symlinks=False):
            tree = next((kind for kind, pattern in _TREES.items() if pattern.fullmatch(name)), None)
            if tree and (
                not name.startswith("resolve-") or {path.name for path in (root / name).iterdir()} <= _SCRATCH
            ):
                yield tree, name
            elif not tree and name.split("/")[0] in DIRECTORIES:
                yield from _walk(root, name)
        elif entry.is_file(follow_symlinks=False):
            yield from ((kind, name) for kind, pattern in _FILES.items() if pattern.fullmatch(name))


def _item(root: Path, kind: str, name: str, used: dict[str, float]) -> Item | None:
    try:
        status = (root / name).lstat()
    except OSError:
        return None
    files, size, last = 1, status.st_size, max(status.st_mtime, used.get(name, 0.0))
    if (root / name).is_dir():
        below = [
            os.lstat(os.path.join(directory, file))  # noqa: PTH118 - many files
            for directory, _, names in os.walk(root / name)
            for file in names
        ]
        files, size = len(below), sum({(one.st_dev, one.st_ino): one.st_size for one in below}.values())
        if not name.startswith("trees/"):  # whose times are those that an image says
            last = max([last, *(one.st_mtime for one in below)])
    return Item(kind=kind, name=name, size=size, files=files, last=last)


def _uses(root: Path) -> dict[str, float]:
    """Return names, each with the end of the last day on which a run wanted it."""
    found: dict[str, float] = {}
    for record in _records(root):
        with suppress(OSError, ValueError):
            end = datetime.fromisoformat(record.name).replace(tzinfo=UTC).timestamp() + _DAY
            for line in record.read_text(errors="replace").splitlines():
                found[line] = max(found.get(line, 0.0), end)
    return found


def _records(root: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in (root / USED).iterdir() if _RECORDS.fullmatch(path.name) and path.is_file())
    return []


def _running_since(root: Path) -> float | None:
    """Return the start of the day on which the first of the running processes started; None when none is running."""
    starts = []
    for path in (root / RUNNING).glob("*-*") if (root / RUNNING).is_dir() else ():
        with suppress(FileNotFoundError):
            if _is_held(path):
                starts.append(path.stat().st_mtime)
            else:
                path.unlink()
    return min(starts) // _DAY * _DAY if starts else None


def _is_held(path: Path) -> bool:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _remove(root: Path, name: str) -> bool:
    path = root / name
    try:
        if path.is_dir() and not path.is_symlink():
            aside = root / f".removed-{secrets.token_hex(8)}"  # at once: nobody sees half of it
            path.rename(aside)
            shutil.rmtree(aside)
        else:
            path.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _remove_records(root: Path, left: Iterable[str]) -> None:
    """Remove days that say nothing that a later one does not say of what is left; nobody is writing, since nobody
    runs."""
    names, later = set(left), set[str]()
    for record in reversed(_records(root)):
        with suppress(OSError):
            told = names.intersection(record.read_text(errors="replace").splitlines())
            if told <= later:
                record.unlink()
            later |= told


def _remove_empty(root: Path, names: Iterable[str]) -> None:
    """Remove the directories of what went, where it left them empty."""
    for name in names:
        for parent in (root / name).parents:
            if parent == root:
                break
            try:
                parent.rmdir()
            except OSError:
                break
