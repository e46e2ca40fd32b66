"""What a guest sees in its tree for the time of a run, where the image has something else or nothing.

Whatever is there is put aside, as it is, and put back afterwards; so nothing of it comes into a layer. Aside is a
directory beside the tree: what the guest deletes or replaces in its own tree is never what the image had.
"""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import IO, TypeAlias

import msgspec

from cogpack.disk import writing
from cogpack.sandbox.inroot import open_in
from cogpack.sandbox.rungs.mounts import DEVICES, LINKS
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sizes import BLOCK

RUNTIME = "run/cogpack"
"""Our own directory in the guest: settings and archives of apt, the token."""


class Directory(msgspec.Struct, frozen=True):
    """Stands for a directory with nothing in it."""

    path: str
    mode: int = 0o755


class File(msgspec.Struct, frozen=True):
    path: str
    content: bytes
    mode: int = 0o644


class Copy(msgspec.Struct, frozen=True):
    """Stands for a file of any size, whose bytes are had when it is laid."""

    path: str
    read: Callable[[], AbstractContextManager[IO[bytes]]]
    mode: int = 0o644


class Link(msgspec.Struct, frozen=True):
    path: str
    target: str


class Device(msgspec.Struct, frozen=True):
    """Stands for a character device that everybody may read and write, as those of /dev are."""

    path: str
    major: int
    minor: int


StandIn: TypeAlias = Directory | File | Copy | Link | Device
"""A path is relative, and its last part is replaced even where it is a link."""

APT_CONFIG = f"/{RUNTIME}/apt.conf"

_APT = f"""\
APT::Sandbox::User "root";
Dpkg::Use-Pty "0";
Dir::Log "/{RUNTIME}/log";
Dir::Cache::archives "/{RUNTIME}/archives";
Dpkg::Options {{"--force-unsafe-io"; "--log=/{RUNTIME}/log/dpkg.log";}};
"""


def debian(authorities: str | None) -> tuple[StandIn, ...]:
    """Give what steps that install packages see: apt keeps logs and archives out of the tree where `APT_CONFIG` names
    its settings, and believes `authorities`, a file there; no package starts a service (policy-rc.d, Debian's
    `invoke-rc.d`)."""
    settings = _APT + (f'Acquire::https::CaInfo "{authorities}";\n' if authorities else "")
    return (
        *(Directory(f"{RUNTIME}/{name}") for name in ("log", "archives/partial")),
        File(f"{RUNTIME}/apt.conf", settings.encode()),
        File("usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n", 0o755),
    )


_NUMBERS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}

MOUNT_POINTS: tuple[StandIn, ...] = (Directory("dev"), Directory("proc"), Directory("sys"))
"""Where the rungs with namespaces mount, and what proot shows in the place of."""

DEVICE_NODES: tuple[StandIn, ...] = (
    *(Device(f"dev/{name}", *_NUMBERS[name]) for name in DEVICES),
    Directory("dev/shm", 0o1777),
)
"""The contents of /dev where nothing can be mounted."""

BOUND_DEVICES: tuple[StandIn, ...] = (
    *(File(f"dev/{name}", b"") for name in DEVICES),
    *(Link(f"dev/{name}", target) for name, target in LINKS.items() if name != "ptmx"),
    Directory("dev/shm", 0o1777),
)
"""The contents of /dev under proot, which shows the machine's devices in their places."""


def network_files(hostname: str) -> tuple[File, ...]:
    """Return how the machine finds others by name, as the guest is to do it too."""
    hosts = _content("/etc/hosts") + f"\n127.0.1.1\t{hostname}\n".encode()
    return File("etc/resolv.conf", _content("/etc/resolv.conf")), File("etc/hosts", hosts)


def process_files() -> tuple[File, ...]:
    """Return what programs read of a machine in /proc, for where there is none; nothing of it is about processes."""
    names = ("cpuinfo", "filesystems", "meminfo", "stat", "version")
    found = [File(f"proc/{name}", _content(f"/proc/{name}"), 0o444) for name in names]
    return (*found, File("proc/mounts", b"rootfs / rootfs rw 0 0\n", 0o444))


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


class StandIns:
    """Lays stand-ins in a tree, for a `with`; at its end, all is as it was. `aside`: a directory, as `make_aside` makes
    it."""

    def __init__(self, root: Path, aside: Path, standins: Iterable[StandIn]) -> None:
        self._root = root
        self._aside = aside
        self._standins = standins
        self._laid: list[tuple[int, str, Path | None]] = []
        """Open directory, name there, and where is what was there before."""
        self._made: list[tuple[int, str]] = []
        """Directories of ours above stand-ins: the open one above, and the name."""

    def __enter__(self) -> None:
        with ExitStack() as undo, writing(self._root):
            undo.callback(self._put_back)
            self._place = Path(tempfile.mkdtemp(dir=self._aside))
            self._directory = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            for standin in self._standins:
                self._lay(standin)
            undo.pop_all()

    def __exit__(self, *_: object) -> None:
        with writing(self._root):
            self._put_back()

    def _put_back(self) -> None:
        for parent, name, kept in reversed(self._laid):
            self._put_aside(parent, name)
            if kept is not None:
                with suppress(FileNotFoundError):  # the guest has removed the directory
                    os.rename(kept, name, dst_dir_fd=parent)
            os.close(parent)
        for parent, name in reversed(self._made):
            with suppress(OSError):  # the guest uses it, too
                os.rmdir(name, dir_fd=parent)
            os.close(parent)
        os.close(self._directory)
        remove_tree(self._place)  # with what guests had made there

    def _lay(self, standin: StandIn) -> None:
        above, _, name = standin.path.rpartition("/")
        parent = self._open(above)
        self._laid.append((parent, name, None))
        self._laid[-1] = (parent, name, self._put_aside(parent, name))
        match standin:
            case Directory():
                os.mkdir(name, dir_fd=parent)
            case File():
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
                with open(descriptor, "wb") as stream:
                    stream.write(standin.content)
            case Copy():
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
                with open(descriptor, "wb") as stream, standin.read() as content:
                    shutil.copyfileobj(content, stream, BLOCK)
            case Link():
                os.symlink(standin.target, name, dir_fd=parent)
                return
            case Device():
                os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(standin.major, standin.minor), dir_fd=parent)
        os.chmod(name, 0o666 if isinstance(standin, Device) else standin.mode, dir_fd=parent)

    def _open(self, path: str) -> int:
        """Open a directory of the tree; it, and those above, are made where they are not there."""
        try:
            return open_in(self._directory, os.fsencode(path or "."), os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            above, _, name = path.rpartition("/")
            parent = self._open(above)
            os.mkdir(name, 0o755, dir_fd=parent)
            self._made.append((parent, name))
            return open_in(self._directory, os.fsencode(path), os.O_PATH | os.O_DIRECTORY)

    def _put_aside(self, parent: int, name: str) -> Path | None:
        kept = self._place / secrets.token_hex(8)
        try:
            os.rename(name, kept, src_dir_fd=parent)
        except FileNotFoundError:
            return None
        return kept


def make_aside(root: Path) -> Path:
    """Make a directory on the tree's file system that no guest can name."""
    with writing(root.parent):
        return Path(tempfile.mkdtemp(prefix=f".{root.name}-aside-", dir=root.parent))
