"""`/etc/passwd`, `group` and their shadows are set up as base-passwd and passwd do it."""

from cogpack.layers.debs.tree import Tree

_MASTERS = "usr/share/base-passwd"
_SHADOW = 42  # the group's fixed number (base-passwd)
# The day of the last password change counts days since 1970; here the day of our tar epoch, for it must not move.
_CHANGED = 3653


def create_accounts(tree: Tree) -> None:
    for name in ("passwd", "group"):
        master = (tree.read(f"{_MASTERS}/{name}.master") or b"").decode()
        tree.write_new(f"etc/{name}", master)
    for name in ("subuid", "subgid"):
        tree.write_new(f"etc/{name}", "")


def shadow_accounts(tree: Tree) -> None:
    """Move the password field to files that only root and the group shadow can read."""
    users = _shadowed(tree, "etc/passwd")
    groups = _shadowed(tree, "etc/group")
    shadow = "".join(f"{name}:*:{_CHANGED}:0:99999:7:::\n" for name in users)
    gshadow = "".join(f"{name}:*::\n" for name in groups)
    tree.write("etc/shadow", shadow, mode=0o640, gid=_SHADOW)
    tree.write("etc/gshadow", gshadow, mode=0o640, gid=_SHADOW)


def _shadowed(tree: Tree, path: str) -> list[str]:
    rows = [line.split(":") for line in (tree.read(path) or b"").decode().splitlines() if line]
    for row in rows:
        row[1] = "x"
    tree.write(path, "".join(":".join(row) + "\n" for row in rows))
    return [row[0] for row in rows]
