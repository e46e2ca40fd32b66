"""What is not captured though commands wrote it: what is temporary, belongs to the running system, can be had again, or
is other bytes on each run. A path is captured all the same if it is named (`keep`)."""

from collections.abc import Collection, Iterator

import msgspec

_KERNEL, _TEMPORARY, _RUNNING = "the kernel's", "temporary", "of the running system"
_CACHE, _LOG, _BACKUP, _LOCK = "a cache", "a log", "a backup", "a lock"

BELOW = {
    "dev": _KERNEL,
    "proc": _KERNEL,
    "sys": _KERNEL,
    "run": _RUNNING,
    "tmp": _TEMPORARY,
    "var/tmp": _TEMPORARY,
}
"""Directories that stay, and what is in them goes."""

WHOLE = {
    "root/.cache/pip": _CACHE,
    "root/.cache/uv": _CACHE,
    "var/cache/apt": _CACHE,
    "var/cache/ldconfig/aux-cache": _CACHE,
    "var/cache/man": _CACHE,
    "var/lib/apt/lists": _CACHE,
    "var/log/alternatives.log": _LOG,
    "var/log/apt": _LOG,
    "var/log/dpkg.log": _LOG,
    "var/cache/debconf/config.dat-old": _BACKUP,
    "var/cache/debconf/passwords.dat-old": _BACKUP,
    "var/cache/debconf/templates.dat-old": _BACKUP,
    "var/lib/dpkg/available-old": _BACKUP,
    "var/lib/dpkg/diversions-old": _BACKUP,
    "var/lib/dpkg/statoverride-old": _BACKUP,
    "var/lib/dpkg/status-old": _BACKUP,
    "etc/group-": _BACKUP,
    "etc/gshadow-": _BACKUP,
    "etc/passwd-": _BACKUP,
    "etc/shadow-": _BACKUP,
    "etc/subgid-": _BACKUP,
    "etc/subuid-": _BACKUP,
    "etc/.pwd.lock": _LOCK,
    "var/lib/dpkg/lock": _LOCK,
    "var/lib/dpkg/lock-frontend": _LOCK,
    "var/lib/dpkg/triggers/Lock": _LOCK,
}
"""Files, and directories with all in them."""

_LONGEST = max(path.count("/") for path in (*BELOW, *WHOLE))


class Dropped(msgspec.Struct, frozen=True):
    """Is what was left out at `path` and below it: `files` of `size` bytes together."""

    path: str
    reason: str
    files: int
    size: int


class Rules:
    """Tells what is dropped. `keep`: paths that are kept with all below them."""

    def __init__(self, keep: Collection[str] = ()) -> None:
        self._keep = frozenset(path.strip("/") for path in keep)

    def of(self, path: str, *, laid: bool = False) -> tuple[str, str] | None:
        """Give the path by whose rule `path` is dropped, and why; None if it is captured. `laid`: lower layers have
        it."""
        if self._is_kept(path):
            return None
        if path in BELOW and not laid:  # made for the run
            return path, BELOW[path]
        return next(self._rules(path), None)

    @staticmethod
    def _rules(path: str) -> Iterator[tuple[str, str]]:
        parts = path.split("/", _LONGEST + 1)
        for count in range(1, len(parts) + 1):
            above = "/".join(parts[:count])
            if above in WHOLE:
                yield above, WHOLE[above]
            elif above in BELOW and above != path:
                yield above, BELOW[above]

    def _is_kept(self, path: str) -> bool:
        return bool(self._keep) and any(path == kept or path.startswith(f"{kept}/") for kept in self._keep)


def is_run_away(path: str) -> bool:
    """Tell whether the runner lays something else over `path`, so that what is missing there was not removed."""
    return path.partition("/")[0] in ("dev", "proc", "sys", "run")
