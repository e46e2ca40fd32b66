"""Whose a lock is that was not made from the config that it is called by, and which other one may be that config's."""

import os
import shlex
from contextlib import suppress
from pathlib import Path

from cogpack.config.model import is_lock, lock_name
from cogpack.config.parse import parse_config
from cogpack.errors import InputError, MismatchError
from cogpack.lockfile import FILE, Lock, input_digests, read_lock
from cogpack.project import Project
from cogpack.project.project import read_small


def check_others(project: Project, found: Lock | None) -> None:
    """Find out whose lock it is, where `found`, which is called as the config's, was not made from that, or is not
    there.

    `MismatchError` where the lock of another name is this config's, or the one of its name another's: `cogpack.lock`
    was for all configs of a directory before, and a config may be renamed. Nothing is made of such a lock, and what is
    written over it would be lost to the other: who asks is told what moves it. One that was copied is taken.
    """
    its = project.lock_path
    if found is None:
        if (left := _left_lock(project)) is not None:
            raise _moved(project, *left, its.name)
        return
    other, there = other_config(project, found)
    if other is None or not there:
        return
    if lock_name(other) == its.name:
        raise MismatchError(
            f"{_shown(its)} is the lock of {other}, which is here, and that of {project.config_path.name}, too",
            next_step="give one of the two another name",
        )
    if its.name == FILE:
        raise _moved(project, FILE, other, lock_name(other))


def _left_lock(project: Project) -> tuple[str, str] | None:
    """Name a lock that may be the config's, which has none of its own name, and the config that it was made from:
    `cogpack.lock` where that was made from this one, else one whose config is gone, of several the one that was made
    from most of what is here now."""
    left: dict[str, tuple[str, Lock]] = {}
    for path in sorted(project.root.glob("cogpack.*lock")):
        with suppress(InputError):  # nobody could say whose it is
            lock = read_lock(path) if is_lock(path.name) else None
            config = _config_of(project.root, path.name, lock) if lock else None
            if lock is None or config is None:
                continue
            if path.name == FILE and config == project.config_path.name:
                return FILE, config
            if not os.path.lexists(project.root / config):
                left[path.name] = (config, lock)
    if len(left) > 1:
        here = set(input_digests(project.inputs()).values())
        best = max(left, key=lambda one: len(here.intersection(left[one][1].inputs.values())))
        return best, left[best][0]
    return next(((name, config) for name, (config, _) in left.items()), None)


def other_config(project: Project, lock: Lock) -> tuple[str | None, bool]:
    """Name the config that the lock was made from, where that is another one, and tell whether it is there: one that is
    not was renamed, and the lock of one that is was copied."""
    if project.config_path.name in lock.inputs:
        return None, False
    other = _config_of(project.root, project.lock_path.name, lock)
    return other, other is not None and (project.root / other).is_file()


def _config_of(root: Path, name: str, lock: Lock) -> str | None:
    """Name the config that the lock called `name` was made from: it is one of the inputs, and lies beside it. The one
    that has a lock of this name, else one that reads as a config, else one that is gone, as after a new name."""
    beside = [one for one in lock.inputs if "/" not in one]
    its = [one for one in beside if lock_name(one) == name]
    here = [one for one in beside if (root / one).is_file()]
    gone = [one for one in beside if one not in here]
    return next(iter(its or [one for one in here if _is_config(root / one)] or gone or here), None)


def _is_config(path: Path) -> bool:
    try:
        return bool(parse_config(read_small(path), path=path.name).places)  # requirements may be comments alone
    except (InputError, FileNotFoundError):
        return False


def _moved(project: Project, lock: str, config: str, to: str) -> MismatchError:
    """Tell what moves `lock`, which was made from `config`, both as one would type them here."""
    old, new = _shown(project.root / lock), _shown(project.root / to)
    move = shlex.join(["mv", old, new])
    if os.path.lexists(project.root / config):
        stands = os.path.lexists(project.root / to)
        step = shlex.join(["rm", old]) if stands else move
        return MismatchError(f"{old} was made from {config}, whose lock is {new}", next_step=step)
    return MismatchError(
        f"{old} was made from {config}, which is not there, and {project.config_path.name} has no lock",
        next_step=f"{move}; or, to begin anew, {shlex.join(['rm', old])}",
    )


def _shown(path: Path) -> str:
    """Write a path as one would type it from where one stands."""
    try:
        return os.path.relpath(path)
    except OSError:  # that directory is gone
        return str(path)
