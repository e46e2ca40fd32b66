"""This module finds the user's home and the current directory; neither need be anywhere."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from cogpack.errors import InputError


def home(environment: Mapping[str, str]) -> Path | None:
    """Return `HOME`, else what the user database says; None for a user that it does not know, as containers have
    them."""
    if (named := environment.get("HOME", "")).startswith("/"):
        return Path(named)
    try:
        found = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None
    return Path(found) if found.startswith("/") else None


def absolute(path: Path) -> Path:
    """Return `path` from the root on; an `InputError` where it is relative to a directory that was removed."""
    try:
        return path.absolute()
    except OSError as error:
        raise gone() from error


def gone() -> InputError:
    """Return the error of a current directory that was removed."""
    return InputError(
        "the current directory is gone", next_step="change to one that is there, or name one with -C /DIR"
    )
