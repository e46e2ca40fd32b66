"""A project is found from a directory upward."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cogpack.config.model import lock_name
from cogpack.config.parse import parse_config
from cogpack.errors import InputError, NoProjectError
from cogpack.home import gone
from cogpack.project.project import Project, read_small

_MAX_PARENTS = 100
_MAX_NAME = 255
"""Bytes, of a file."""


def find_project(
    start: Path, file: str = "cog.yaml", *, outputs: Sequence[Path] = (), cache: Path | None = None
) -> Project:
    """Find the project whose `file` is in `start` or the nearest directory above; with a slash in `file`, there alone.

    `outputs`: files and directories that this run is to write, and `cache`, another; they are no part of it.
    """
    directory = _directory(start)
    upward = [directory] if "/" in file else [directory, *directory.parents][: _MAX_PARENTS + 1]
    for candidate in upward:
        path = candidate / file
        try:
            text = read_small(path)
        except FileNotFoundError:
            continue
        root = Path(os.path.realpath(path.parent))
        if (length := len(os.fsencode(lock := lock_name(path.name)))) > _MAX_NAME:
            raise InputError(
                f"{path.name}: the config's name is too long: its lock would be {lock}, of {length} bytes; "
                f"{_MAX_NAME} are possible",
                next_step="give the config a shorter name",
            )
        return Project(root, parse_config(text, path=path.name), path, tuple(outputs), cache)
    above = "" if "/" in file else " or any directory above"
    raise NoProjectError(
        f"no {file} in {start}{above}", next_step="run it in the project's directory, or begin one: cogpack init"
    )


def _directory(start: Path) -> Path:
    """Give `start` without links; an `InputError` where it is no directory, since one above may be another project."""
    try:
        directory = Path(os.path.realpath(start))
        if stat.S_ISDIR(directory.stat().st_mode):
            return directory
        reason = "not a directory"
    except OSError as error:
        if not start.is_absolute() and not _has_directory():
            raise gone() from error
        reason = "there is no such directory" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
    raise InputError(f"{start}: {reason}", next_step="name the project's directory, or one below it")


def _has_directory() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False
