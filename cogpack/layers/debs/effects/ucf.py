"""Settings that packages hand to ucf(1) are written as it writes those that nobody changed, and noted as it notes
them."""

import hashlib

from cogpack.layers.debs.tree import Tree

_STATE = "var/lib/ucf"


def make_registry(tree: Tree) -> None:
    for name in ("hashfile", "registry"):
        tree.write_new(f"{_STATE}/{name}", "")


def _hand_over(tree: Tree, path: str, data: bytes) -> None:
    tree.write_new(path, data)
    known = (tree.read(f"{_STATE}/hashfile") or b"").decode("utf-8", "replace").splitlines()
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    lines = [line for line in known if line.partition("  ")[2] != f"/{path}"]
    tree.write(f"{_STATE}/hashfile", "".join(f"{line}\n" for line in (*lines, f"{digest}  /{path}")))
    tree.write(f"{_STATE}/cache/:{path.replace('/', ':')}", data)


def paper_size(tree: Tree) -> None:
    """Choose A4, as libpaper1 does where no locale is set."""
    _hand_over(tree, "etc/papersize", b"a4\n")
    tree.directory("etc/libpaper.d")


def gconf_path(tree: Tree) -> None:
    if (data := tree.read("usr/share/gconf/default.path")) is not None:
        _hand_over(tree, "etc/gconf/2/path", data)
