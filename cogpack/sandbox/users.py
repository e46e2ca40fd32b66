"""The user that an image says its commands are run by, found in the image's own /etc/passwd and /etc/group."""

import os
import stat
from pathlib import Path

import msgspec

from cogpack.errors import InputError
from cogpack.sandbox.inroot import open_in_tree

_LIMIT = 16 * 1024 * 1024
_LARGEST = 2**32 - 2
"""The next number means "leave it" to chown(2)."""


class User(msgspec.Struct, frozen=True):
    """Whom a command runs as. `home`: "/" for a number that nobody has."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


def find_user(root: Path, text: str) -> User:
    """Read `User` of an image's config ("", name, number, each with `:group`), as the image-spec has it."""
    name, colon, group = text.partition(":")
    found = _passwd(root, name or "0")
    groups = [line for line in _lines(root, "etc/group") if len(line) >= 3]
    if found is None:
        if not _is_id(name):
            raise _unknown("user", name, "passwd")
        found = User(int(name), 0, (), "/")
    if not colon:
        named = next((line[0] for line in _lines(root, "etc/passwd") if line[2:3] == [str(found.uid)]), "")
        members = [int(line[2]) for line in groups if named and named in ",".join(line[3:]).split(",")]
        return User(found.uid, found.gid, tuple(members), found.home)
    if _is_id(group):
        return User(found.uid, int(group), (), found.home)
    for line in groups:
        if line[0] == group:
            return User(found.uid, int(line[2]), (), found.home)
    raise _unknown("group", group, "group")


def _passwd(root: Path, name: str) -> User | None:
    for line in _lines(root, "etc/passwd"):
        if len(line) >= 6 and (line[0] == name or line[2] == name):
            return User(int(line[2]), int(line[3]), (), line[5] or "/")
    return User() if name in ("0", "root") else None


def _lines(root: Path, path: str) -> list[list[str]]:
    """Return the fields of each line whose numbers are numbers; none where there is no such file."""
    try:
        descriptor = open_in_tree(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return []
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return []
        text = stream.read(_LIMIT).decode(errors="replace")
    lines = [line.split(":") for line in text.splitlines()]
    numbers = 4 if path.endswith("passwd") else 3
    return [line for line in lines if len(line) >= numbers and all(map(_is_id, line[2:numbers]))]


def _is_id(text: str) -> bool:
    """Tell whether it is a number that a user or group can have."""
    return text.isdecimal() and len(text) <= 10 and int(text) <= _LARGEST


def _unknown(kind: str, name: str, file: str) -> InputError:
    return InputError(
        f"the image's {kind} {name!r:.200} is not in its /etc/{file}", next_step=f"choose a {kind} that is, or a number"
    )
