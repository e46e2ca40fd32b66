"""`cogpack cache`: where the cache is, what it holds, and how it is made smaller."""

import time
from pathlib import Path

import msgspec

from cogpack.cache.sweep import Swept, clean, items, prune
from cogpack.errors import InputError
from cogpack.session import Session

DAYS = 30
"""What no run has used for so long is not kept by `cogpack cache prune`."""


class CachePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the cache is; it need not be there yet."""

    directory: str


class CacheKind(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache holds of one kind; `size` in bytes."""

    name: str
    size: int
    files: int


class CacheSize(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache holds; `size` in bytes, `kinds` by name."""

    directory: str
    size: int
    files: int
    kinds: tuple[CacheKind, ...]


class CacheCleaned(msgspec.Struct, frozen=True, kw_only=True):
    """What a cleaning did, in bytes: `removed`, in `files`; `left`; and of these `busy`, which would have gone if no
    other process ran."""

    directory: str
    removed: int
    files: int
    left: int
    busy: int


def cache_place(session: Session) -> CachePlace:
    """Say where the cache is."""
    return CachePlace(directory=str(_place(session)))


def cache_size(session: Session) -> CacheSize:
    """Count what the cache holds."""
    place = _place(session)
    found = items(place)
    kinds = tuple(
        CacheKind(
            name=name,
            size=sum(item.size for item in found if item.kind == name),
            files=sum(item.files for item in found if item.kind == name),
        )
        for name in sorted({item.kind for item in found})
    )
    return CacheSize(
        directory=str(place),
        size=sum(kind.size for kind in kinds),
        files=sum(kind.files for kind in kinds),
        kinds=kinds,
    )


def prune_cache(session: Session, *, days: int = DAYS, limit: int | None = None) -> CacheCleaned:
    """Remove what no run has used for `days`, then what was unused longest, until `limit` bytes are left."""
    place = _place(session)
    return _cleaned(place, prune(place, days=days, limit=limit, now=time.time()))


def clean_cache(session: Session) -> CacheCleaned:
    """Remove all that no running process wants."""
    place = _place(session)
    return _cleaned(place, clean(place))


def _cleaned(place: Path, swept: Swept) -> CacheCleaned:
    return CacheCleaned(
        directory=str(place), removed=swept.removed, files=swept.files, left=swept.left, busy=swept.busy
    )


def _place(session: Session) -> Path:
    if session.kept.place is None:
        raise InputError(
            "this user has no place for a cache: HOME is not set, and the user database has no home",
            next_step="name one by --cache-dir or $COGPACK_CACHE_DIR",
        )
    return session.kept.place
