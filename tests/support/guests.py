"""Commands in guests, in each rung that this machine has; and the files of a guest as a layer would have them."""

import json
import os
import shlex
import shutil
import stat
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cogpack.progress import Cancellation
from cogpack.sandbox.guest import Command, Guest
from cogpack.sandbox.rungs.choice import Findings, Rung, probe
from cogpack.sandbox.rungs.proot import Proot
from cogpack.sandbox.trees.owners import Owners, birth_of
from cogpack.sandbox.users import User
from cogpack.sandbox.watch import Limits

from .program_tree import missing_programs

PATH = {"PATH": "/usr/bin:/bin"}

_ROOT, _CHROOT, _PROOT = (pytest.param(rung, marks=pytest.mark.slow) for rung in (Rung.ROOT, Rung.CHROOT, Rung.PROOT))

EVERY_RUNG = pytest.mark.parametrize("rung", [_ROOT, Rung.USERNS, _CHROOT, _PROOT])
NAMESPACES = pytest.mark.parametrize("rung", [_ROOT, Rung.USERNS])
ONE_USER = pytest.mark.parametrize("rung", [Rung.USERNS, _PROOT])


class Ran(msgspec.Struct):
    """What came of a command."""

    status: int
    output: str


_FOUND: dict[int, Findings] = {}
"""What this machine lets us do, by file system: asking takes a sixth of a second."""


def found(directory: Path) -> Findings:
    device = directory.stat().st_dev
    if device not in _FOUND:
        _FOUND[device] = probe(directory)
    return _FOUND[device]


@cache
def proot() -> Proot | None:
    """Find it by `COGPACK_TEST_PROOT` (a command line), else on PATH."""
    named = os.environ.get("COGPACK_TEST_PROOT") or shutil.which("proot")
    return Proot(tuple(shlex.split(named))) if named else None


def need(rung: Rung, directory: Path) -> None:
    """Skip the test where this machine lacks what it needs, and say what."""
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)} here to make a tree of")
    if (refusal := found(directory).refusal(rung, owners=True)) is not None:
        pytest.skip(f"this machine refuses {rung}: {refusal}")
    if rung is Rung.PROOT and proot() is None:
        pytest.skip("no proot here (apt-get install proot, or COGPACK_TEST_PROOT)")


def guest(tree: Path, rung: Rung, *, owners: Owners | None = None, **options: Any) -> Guest:
    need(rung, tree.parent)
    return Guest(tree, rung, owners=owners, proot=proot(), **options)


def shell(script: str, *, user: User = User()) -> Command:  # noqa: B008 - frozen
    return Command(("/bin/sh", "-c", script), PATH, user=user)


def perl(script: str, *arguments: str) -> Command:
    """A program that makes any system call, without a module."""
    return Command(("perl", "-e", script, *arguments), PATH)


def run(
    started: Guest,
    command: Command | str,
    *,
    seen: Callable[[bytes], object] = lambda _: None,
    cancellation: Cancellation | None = None,
    **options: Any,
) -> Ran:
    """Run in a guest; `seen` is called with all output so far, each time there is more."""
    told = bytearray()

    def hear(block: bytes) -> None:
        told.extend(block)
        seen(bytes(told))

    if isinstance(command, str):
        command = shell(command)
    status = started.run(command, hear, cancellation=cancellation or Cancellation(), **options)
    return Ran(status, told.decode(errors="replace"))


def run_once(tree: Path, rung: Rung, command: Command | str, *, limits: Limits = Limits(), **options: Any) -> Ran:  # noqa: B008
    with guest(tree, rung, **options) as started:
        return run(started, command, limits=limits)


def as_layer(tree: Path, path: str, owners: Owners) -> tuple[str, int, int]:
    """Mode and owner of a file as they would come into a layer."""
    directory = os.open(tree, os.O_PATH)
    try:
        status = os.stat(path, dir_fd=directory, follow_symlinks=False)
        owner = owners.of(status, lambda: birth_of(directory, path))
    finally:
        os.close(directory)
    if owner is None:
        ours = status.st_uid == os.geteuid()
        owner = (0, 0) if ours else (status.st_uid, status.st_gid)
    return stat.filemode(status.st_mode), *owner


SCRIPT = """
set -e; cd /var/lib
touch a b; chown 33:4 a; chown 5:6 b; chmod 4755 b; mkdir d; chown 7 d; ln -s a l; chown -h 9 l; rm /etc/group
touch new
(sleep 1000 &); id -u; mount -t tmpfs none /tmp 2>/dev/null || echo refused
"""
"""For a process of its own (`guest_program`): what it must leave is known to `check_left`."""


def check_left(tree: Path, output: str, rung: Rung, uid: int) -> None:
    """Hold what the script did to what it does everywhere. `uid`: who ran it."""
    *lines, last = output.splitlines()
    told = json.loads(last)
    assert lines == ["0", "refused", ""]
    assert (told["status"], told["rung"]) == (0, rung)

    def left(name: str) -> tuple[str, int, int]:
        path = f"var/lib/{name}"
        mode, *real = as_layer(tree, path, Owners())
        return mode, *(told["owners"].get(path) or ((0, 0) if uid else real))

    assert {name: left(name) for name in ("a", "b", "d", "l", "new")} == {
        "a": ("-rw-r--r--", 33, 4),
        "b": ("-rwsr-xr-x", 5, 6),
        "d": ("drwxr-xr-x", 7, 0),
        "l": ("lrwxrwxrwx", 9, 0),
        "new": ("-rw-r--r--", 0, 0),
    }
    assert not (tree / "etc/group").exists()
