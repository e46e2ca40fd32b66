"""`/etc/passwd`, `group` and their shadows are set up as base-passwd and passwd do it, and as adduser(8) and
systemd-sysusers(8) add to them: numbers follow from the set of packages alone."""

import re
import shlex
from collections.abc import Iterable

from cogpack.layers.debs.tree import Tree

_MASTERS = "usr/share/base-passwd"
_SHADOW = 42  # the group's fixed number (base-passwd)
# The day of the last password change counts days since 1970; here the day of our tar epoch, for it must not move.
_CHANGED = 3653
_FIRST, _LAST = 100, 999
"""Of the accounts of the system: adduser counts up from the first, systemd-sysusers down from the last."""
_NO_ID = 2**32 - 1
"""What stands for no user or group (chown(2)); others are below."""
_LOCKED = {True: "!", False: "!*"}
"""What each of them writes for a password that there is not."""


def create_accounts(tree: Tree) -> None:
    for name in ("passwd", "group"):
        master = tree.text(f"{_MASTERS}/{name}.master")
        tree.write_new(f"etc/{name}", master)
    for name in ("subuid", "subgid"):
        tree.write_new(f"etc/{name}", "")


def shadow_accounts(tree: Tree) -> None:
    """Move the password field to files that only root and the group shadow can read, unless they are there."""
    if "etc/shadow" in tree:
        return
    users = _shadowed(tree, "etc/passwd")
    groups = _shadowed(tree, "etc/group")
    shadow = "".join(f"{name}:*:{_CHANGED}:0:99999:7:::\n" for name in users)
    gshadow = "".join(f"{name}:*::\n" for name in groups)
    tree.write("etc/shadow", shadow, mode=0o640, gid=_SHADOW)
    tree.write("etc/gshadow", gshadow, mode=0o640, gid=_SHADOW)


def _shadowed(tree: Tree, path: str) -> list[str]:
    rows = [line.split(":") for line in tree.text(path).split("\n") if line]
    for row in rows:
        row[1:2] = ["x"] if row[1:] else []
    tree.write(path, "".join(":".join(row) + "\n" for row in rows))
    return [row[0] for row in rows]


def add_group(tree: Tree, name: str, *, upward: bool = True, gid: int | None = None) -> int:
    """Add a group of the system where there is none of the name; gives its number."""
    groups = numbers(tree, "etc/group")
    if name not in groups:
        groups[name] = gid if gid is not None else _free({*groups.values()}, upward=upward)
        _append(tree, "group", f"{name}:x:{groups[name]}:")
        _append(tree, "gshadow", f"{name}:{_LOCKED[upward]}::")
    return groups[name]


def add_user(
    tree: Tree,
    name: str,
    *,
    upward: bool = True,
    uid: int | None = None,
    gecos: str = "",
    expires: str = "",
    home: str = "/nonexistent",
    shell: str = "/usr/sbin/nologin",
) -> None:
    """Add a user of the system with a group of the name, where there is none."""
    users = numbers(tree, "etc/passwd")
    if name in users:
        return
    groups = {*numbers(tree, "etc/group").values()}
    # systemd-sysusers looks for one number for both.
    number = uid if uid is not None else _free({*users.values(), *(() if upward else groups)}, upward=upward)
    gid = add_group(tree, name, upward=upward, gid=None if upward else number)
    _append(tree, "passwd", f"{name}:x:{number}:{gid}:{gecos}:{home}:{shell}")
    _append(tree, "shadow", f"{name}:{_LOCKED[upward]}:{_CHANGED}:::::{expires}:")


def add_declared(tree: Tree, names: Iterable[str]) -> None:
    """Add the users and groups that these files of /usr/lib/sysusers.d declare (sysusers.d(5))."""
    for name in names:
        for line in tree.text(f"usr/lib/sysusers.d/{name}").splitlines():
            kind, *fields = [*shlex.split(line, comments=True), *"------"]
            who, number, gecos, home, shell = fields[:5]
            fixed = parse_id(number)
            if kind == "g":
                add_group(tree, who, upward=False, gid=fixed)
            elif kind.rstrip("!") == "u":
                add_user(
                    tree,
                    who,
                    upward=False,
                    uid=fixed,
                    expires="1" if kind == "u!" else "",
                    gecos="" if gecos == "-" else gecos,
                    home="/" if home == "-" else home,
                    shell="/usr/sbin/nologin" if shell == "-" else shell,
                )


def parse_id(text: str) -> int | None:
    """Read the number of a user or group; None of what is none (credentials(7))."""
    number = int(text) if re.fullmatch(r"[0-9]{1,10}", text) else _NO_ID
    return number if number < _NO_ID else None


def numbers(tree: Tree, path: str) -> dict[str, int]:
    """Give the numbers of the accounts that `path`, a passwd or group, has by name."""
    rows = [line.split(":") for line in tree.text(path).split("\n")]
    return {row[0]: number for row in rows if len(row) > 2 and (number := parse_id(row[2])) is not None}


def _free(taken: set[int], *, upward: bool) -> int:
    order = range(_FIRST, _LAST + 1) if upward else range(_LAST, _FIRST - 1, -1)
    return next(number for number in order if number not in taken)


def _append(tree: Tree, name: str, line: str) -> None:
    """Add a line; the shadows keep who may read them."""
    path = f"etc/{name}"
    text = tree.text(path)
    end = "" if text[-1:] in ("", "\n") else "\n"  # an editor may have left the last line without
    secret = name in ("shadow", "gshadow")
    tree.write(path, f"{text}{end}{line}\n", mode=0o640 if secret else 0o644, gid=_SHADOW if secret else 0)
