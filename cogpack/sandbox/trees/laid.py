"""What the layers of an image hold, path by path: the record beside a tree that was laid from them.

A tree can't keep all of it: owners where this machine may not give files away, modes of directories that must be
written, capabilities of files. And steps change the tree, while this stays.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from cogpack.sandbox.trees.owners import Owners

Kind: TypeAlias = Literal["directory", "file", "symlink", "fifo", "device"]

CAPABILITY = "security.capability"


class Laid(msgspec.Struct, eq=False, kw_only=True, array_like=True):
    """Is one thing in the tree. Names that are hard links of one file share it.

    `digest`: sha256 of a file's bytes; `target`: of a symbolic link; `children`: of a directory, by name.
    """

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    digest: bytes = b""
    target: str = ""
    capability: bytes = b""
    children: dict[str, "Laid"] = {}


class LaidTree(msgspec.Struct, frozen=True, eq=False):
    """Is a tree on the disk. `laid`: what the layers hold, by path; `owned`: whether files have their true owners.

    Where they have not, `owners` knows whose those files are that are not root's, and directories are open to us.
    """

    root: Path
    laid: Mapping[str, Laid]
    owners: Owners
    owned: bool

    def mode(self, path: str, mode: int) -> int:
        """Give the true mode of what has `mode` on the disk."""
        laid = self.laid.get(path)
        return laid.mode if laid is not None and mode == disk_mode(laid, owned=self.owned) else mode


def disk_mode(laid: Laid, *, owned: bool) -> int:
    """Give the mode on the disk: who is not root must be able to write into all directories of the tree."""
    return laid.mode if owned or laid.kind != "directory" else laid.mode | 0o700


def paths(root: Laid) -> Iterator[tuple[str, Laid]]:
    """Give all below `root`, each directory before what is in it."""
    waiting = [("", root)]
    while waiting:
        above, directory = waiting.pop()
        for name, laid in directory.children.items():
            yield above + name, laid
            if laid.children:
                waiting.append((f"{above}{name}/", laid))


FORMAT = 2
"""Part of each name: raised when the record is written otherwise. Else two versions would each take the trees of the
other for damaged, and remove them."""


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """Is what `one` is written down as: names are bytes, since those of a layer need not be UTF-8, and beside it."""

    path: bytes
    same: int  # the number of the record that this is another name of; its own number if none
    target: bytes
    one: Laid


def encode_laid(laid: Mapping[str, Laid]) -> bytes:
    """Write the record down."""
    numbers: dict[int, int] = {}
    return msgspec.msgpack.encode(
        [
            _Record(
                _raw(path),
                numbers.setdefault(id(one), number),
                _raw(one.target),
                msgspec.structs.replace(one, target="", children={}),
            )
            for number, (path, one) in enumerate(laid.items())
        ]
    )


def decode_laid(data: bytes) -> dict[str, Laid]:
    """Read what `encode_laid` wrote; `msgspec.MsgspecError` for anything else."""
    found: list[tuple[str, Laid]] = []
    for number, record in enumerate(msgspec.msgpack.decode(data, type=list[_Record])):
        one = found[record.same][1] if record.same < number else record.one
        one.target = _text(record.target)
        found.append((_text(record.path), one))
    return dict(found)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
