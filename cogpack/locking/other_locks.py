"""Whose a lock is that was not made from the config that it is called by, and which other one may be that config's."""

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cogpack.config.model import is_lock, lock_name
from cogpack.config.parse import parse_config
from cogpack.errors import InputError, MismatchError
from cogpack.lockfile import FILE, Lock, input_digests, read_lock
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.project.project import read_small


def check_others(project: Project, found: Lock | None) -> None:
    """Find out whose lock it is, where `found`, which is called as the config's, was not made from that, or is not
    there.

    `MismatchError` where the lock of another name is this config's, or the one of its name another's: `cogpack.lock`
    was for all configs of a directory before, and a config may be renamed. Nothing is made of such a lock, and what is
    written over it would be lost to the other: who asks is told what moves it. One that was copied is taken; one that
    may be the config's, and may not, is told (`left_note`).
    """
    its = project.lock_path
    if found is None:
        if (left := _left_lock(project)) is not None and left.sure:
            raise _moved(project, left.lock, left.config, its.name)
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


def left_note(project: Project) -> Note | None:
    """Tell of a lock whose config is gone, where the project's config, which is another one by now or was never that,
    has none."""
    left = _left_lock(project)
    if left is None or left.sure:
        return None
    old, new = _shown(project.root / left.lock), _shown(project.lock_path)
    text = f"{old} was made from {left.config}, which is not there: nothing is taken of it"
    move = f"if {project.config_path.name} is that one, {shlex.join(['mv', old, new])} keeps its versions"
    return Note(Code.LOCK_LEFT, f"{text}; {move}")


class _Left(NamedTuple):
    """Is a lock that may be the config's, by the name of the `config` that it was made from; `sure`: that it is."""

    lock: str
    config: str
    sure: bool


def _left_lock(project: Project) -> _Left | None:
    """Find a lock that may be the config's, which has none of its own name: `cogpack.lock` where that was made from
    this one, else one whose config is gone, of several the one that was made from most of what is here now: surely
    where that is all the same."""
    digests: Mapping[str, str] | None = None
    found: list[tuple[int, _Left]] = []
    for path in sorted(project.root.glob("cogpack.*lock")):
        with suppress(InputError):  # nobody could say whose it is
            lock = read_lock(path) if is_lock(path.name) else None
            config = _config_of(project.root, path.name, lock) if lock else None
            if lock is None or config is None:
                continue
            if path.name == FILE and config == project.config_path.name:
                return _Left(FILE, config, sure=True)
            if not os.path.lexists(project.root / config):
                digests = digests if digests is not None else input_digests(project.inputs())
                named = {project.config_path.name if name == config else name: one for name, one in lock.inputs.items()}
                same = len(digests.items() & named.items())
                found.append((same, _Left(path.name, config, sure=named == digests)))
    return max(found, key=lambda one: (one[0], one[1].sure))[1] if found else None


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
    """Write a path as one would type it from where one stands; none is taken for an option."""
    try:
        shown = os.path.relpath(path)
        return f"./{shown}" if shown.startswith("-") else shown
    except OSError:  # that directory is gone
        return str(path)
