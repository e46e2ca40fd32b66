"""To whom a guest gives files is recorded where it may give none away, and it is told that it did.

The kernel stops each chown(2) and asks us (`listener`); we look which file it means, remember the owner, and
answer. Nothing is translated: the process asks about its own tree, and its memory has the path.

It stops each rename(2), too, and goes on with it. A program that writes a file anew (useradd of /etc/shadow, `sed -i`)
gives the new one to whom it saw the old one belong to, root in a guest of one user, and puts it in the old one's place:
what it meant is known when both are.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from cogpack.sandbox.inroot import open_in
from cogpack.sandbox.system_calls.listener import Notification
from cogpack.sandbox.trees.owners import Owners, birth_of

_RENAMES = ("rename", "renameat", "renameat2")
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = -100, 0x100, 0x1000


class View(Protocol):
    """How a guest's files are found from outside."""

    def open(self, process: int, path: bytes, flags: int) -> int:
        """Open what `path`, which begins at the root, is to the kernel for a process of the guest."""

    def owner(self, uid: int, gid: int) -> tuple[int, int]:
        """Return whom the guest means."""


class Namespaced:
    """A guest in a mount namespace, whose root is its tree."""

    def open(self, process: int, path: bytes, flags: int) -> int:
        root = os.open(f"/proc/{process}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return open_in(root, path, flags)
        finally:
            os.close(root)

    def owner(self, uid: int, gid: int) -> tuple[int, int]:
        return uid, gid


class Traced:
    """A guest of proot: the kernel is told the machine's paths, without links, and our number for the guest's root."""

    def __init__(self, uid: int, gid: int) -> None:
        self._ours = (uid, gid)

    def open(self, process: int, path: bytes, flags: int) -> int:  # noqa: ARG002
        return os.open(path, flags | os.O_CLOEXEC)

    def owner(self, uid: int, gid: int) -> tuple[int, int]:
        return 0 if uid == self._ours[0] else uid, 0 if gid == self._ours[1] else gid


class Recorder:
    """Answers calls that give files away, and looks at renames; `owners` remembers."""

    def __init__(self, owners: Owners, view: View) -> None:
        self._owners = owners
        self._view = view

    @property
    def calls(self) -> Sequence[str]:
        return ("chown", "fchown", "lchown", "fchownat", *_RENAMES)

    def answer(self, asked: Notification) -> int | None:
        if asked.call in _RENAMES:
            with suppress(OSError):  # the kernel tells it
                self._replace(asked)
            return None
        self._record(asked)
        return 0

    def _replace(self, asked: Notification) -> None:
        """Keep the owner of a file that is about to be replaced by one that was given to root."""
        arguments = asked.arguments
        if asked.call == "rename":
            places = [(_AT_FDCWD, arguments[0]), (_AT_FDCWD, arguments[1])]
        else:
            places = [(_signed(arguments[0]), arguments[1]), (_signed(arguments[2]), arguments[3])]
        opened: list[int] = []
        try:
            for directory, path in places:
                opened.append(self._open(asked.process, directory, asked.text(path), _AT_SYMLINK_NOFOLLOW))
            asked.check()
            new, old = ((os.fstat(file), partial(birth_of, file)) for file in opened)
            if self._owners.of(*new) == (0, 0) and (owner := self._owners.of(*old)) is not None:
                self._owners.record(new[0], *owner, birth=new[1]())
        finally:
            for file in opened:
                os.close(file)

    def _record(self, asked: Notification) -> None:
        arguments = asked.arguments
        match asked.call:
            case "fchown":
                directory, path, flags = _signed(arguments[0]), b"", _AT_EMPTY_PATH
                uid, gid = arguments[1:3]
            case "fchownat":
                directory, path, flags = _signed(arguments[0]), asked.text(arguments[1]), arguments[4]
                uid, gid = arguments[2:4]
            case _:
                directory, path = _AT_FDCWD, asked.text(arguments[0])
                flags = _AT_SYMLINK_NOFOLLOW if asked.call == "lchown" else 0
                uid, gid = arguments[1:3]
        found = self._open(asked.process, directory, path, flags)
        try:
            asked.check()  # or we have read of another process
            owner = self._view.owner(_signed(uid), _signed(gid))
            status = os.fstat(found)
            self._owners.record(status, *owner, birth=birth_of(found))
            _clear_set_ids(found, status.st_mode)
        finally:
            os.close(found)

    def _open(self, process: int, directory: int, path: bytes, flags: int) -> int:
        held = f"/proc/{process}/cwd" if directory == _AT_FDCWD else f"/proc/{process}/fd/{directory}"
        if not path:
            if not flags & _AT_EMPTY_PATH:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return os.open(held, os.O_PATH | os.O_CLOEXEC)
        if not path.startswith(b"/"):
            place, root = (os.fsencode(Path(one).readlink()) for one in (held, f"/proc/{process}/root"))
            if (place + b"/").startswith(root + b"/"):  # after chroot(2): a path begins there
                place = place[len(root) :]
            path = place + b"/" + path
        follow = os.O_NOFOLLOW if flags & _AT_SYMLINK_NOFOLLOW else 0
        return self._view.open(process, path, os.O_PATH | follow)


def _clear_set_ids(found: int, mode: int) -> None:
    """Do what chown(2) does to all but directories: nobody gets a program that runs as him."""
    cleared = mode & ~stat.S_ISUID & ~(stat.S_ISGID if mode & stat.S_IXGRP else 0)
    if stat.S_ISREG(mode) and cleared != mode:
        Path(f"/proc/self/fd/{found}").chmod(stat.S_IMODE(cleared))


def _signed(word: int) -> int:
    """Read the low half of an argument as a C int."""
    low = word & 0xFFFFFFFF
    return low - (1 << 32) if low & 0x80000000 else low
