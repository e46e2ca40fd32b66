"""A guest is a tree of files with commands run in it, as if it were a machine's root: the same in every rung.

`Guest.run` lays what belongs there for the time of a run (`standins`), starts the helper that enters the rung (`run`,
`enter`), hands on the output while it comes, answers for owners (`recorder`), and leaves no process and no mount
behind. It is no wall: a command that means harm has what its rung doesn't hide (docs/sandbox.md).
"""

import base64
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from cogpack.disk import open_regular
from cogpack.errors import InputError
from cogpack.progress import Cancellation
from cogpack.sandbox import kernel, standins
from cogpack.sandbox.run import Run, Streams
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.rungs.mounts import DEVICES, OVERLAY
from cogpack.sandbox.rungs.proot import Proot, without_colon
from cogpack.sandbox.system_calls import seccomp
from cogpack.sandbox.system_calls.listener import Handler, Listener
from cogpack.sandbox.system_calls.metadata import NoMetadata
from cogpack.sandbox.system_calls.recorder import Namespaced, Recorder, Traced
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.owners import Owners
from cogpack.sandbox.users import User
from cogpack.sandbox.watch import Limits

HOSTNAME = "cogpack"
_MERGED, _WORK = "merged", "work"
"""Directories beside the upper one of an overlay: where it is mounted, and the kernel's own."""
_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS


class Command(msgspec.Struct, frozen=True):
    """A program and its arguments. `environment`: all of it; nothing of ours is added (but proot's own settings)."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str = "/"
    user: User = User()


class Bind(msgspec.Struct, frozen=True):
    """A file or directory of this machine that the guest sees at `target`."""

    source: Path
    target: str
    writable: bool = False


class Guest:
    """Runs commands over the tree `root`, for a `with`; one at a time.

    `owners`: what remembers whose files become, where they are captured; None where nobody will ask. `metadata`:
    whether a cloud's metadata can be reached; to refuse it takes a listener (`probe`).
    `standins`: what lies there besides, for the time of each run. Nothing of what is laid there stays: a capture need
    ignore no path. `lower`: trees, the highest first, that `root`, empty at first, is laid over (overlayfs, where
    `probe` found it): nothing is written to them. `shm_size`: bytes of /dev/shm where that is mounted; else it is a
    directory of the tree. `emulator`: runs programs of arm64, in `userns` alone. `last_process`: after which number
    processes are counted in a namespace; what names itself by its own on this machine's network (coglet, unix(7)
    abstract) would else meet others.
    """

    def __init__(
        self,
        root: Path,
        rung: Rung,
        *,
        owners: Owners | None,
        network: bool = True,
        metadata: bool = True,
        binds: Sequence[Bind] = (),
        standins: Sequence[standins.StandIn] = (),
        proot: Proot | None = None,
        lower: Sequence[Path] = (),
        emulator: Path | None = None,
        shm_size: int | None = None,
        last_process: int | None = None,
    ) -> None:
        self._lower = lower
        self._last_process = last_process
        self._emulator = emulator
        self._shm_size = shm_size
        self._root = Path(os.path.realpath(root))
        self._rung = rung
        self._owners = owners
        self._network = network
        self._metadata = metadata or not network
        self._binds = binds
        self._standins = standins
        self._proot = proot
        self._translates = False

    def __enter__(self) -> Self:
        if self._rung is Rung.PROOT and self._proot is None:
            raise InputError("isolation proot: there is no proot", next_step="choose another --isolation")
        self._aside = standins.make_aside(self._root)
        if self._lower:
            for name in (_MERGED, _WORK):
                (self._aside / name).mkdir(mode=0o755)
        return self

    def __exit__(self, *_: object) -> None:
        remove_tree(self._aside)

    def run(
        self,
        command: Command,
        output: Callable[[bytes], None] | Streams,
        *,
        cancellation: Cancellation,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> int:
        """Run a command to its end; return its exit status, as a shell tells it: 128 and a number for a signal, 127
        where there is no such program.

        `output` is given what the command writes to stdout and stderr, as it comes, unless `Streams` says otherwise.
        What the command left running is killed at its end, and with everything else when this is left for another
        reason.
        """
        streams = output if isinstance(output, Streams) else Streams(output)
        if self._rung is Rung.PROOT and not self._translates:
            self._check_translation(cancellation)
        return self._run(command, streams, cancellation, limits, self._standins)

    def _check_translation(self, cancellation: Cancellation) -> None:
        """Read a token through proot: one that doesn't translate would let a step loose on this machine."""
        token, told = secrets.token_hex(16), bytearray()
        file = standins.File(f"{standins.RUNTIME}/token", f"{token}\n".encode())
        shell = f"read -r token < /{file.path} && echo $token"
        self._run(Command(("/bin/sh", "-c", shell), {}), Streams(told.extend), cancellation, Limits(seconds=60), [file])
        if told.decode(errors="replace").strip() != token:
            raise InputError(
                f"isolation proot: proot shows a guest this machine's files: {bytes(told[-200:])!r}",
                next_step="choose another --isolation",
            )
        self._translates = True

    def _run(
        self,
        command: Command,
        streams: Streams,
        cancellation: Cancellation,
        limits: Limits,
        extra: Sequence[standins.StandIn],
    ) -> int:
        plan = self._plan(command, limits)
        laid = [*self._own_standins(), *extra]
        with standins.StandIns(self._root, self._aside, laid):
            return Run(plan, self._root, self._listener, streams, cancellation, limits).status()

    def _own_standins(self) -> list[standins.StandIn]:
        found: list[standins.StandIn] = [*standins.MOUNT_POINTS, standins.Directory(standins.RUNTIME)]
        if self._rung is Rung.CHROOT:
            found += [*standins.DEVICE_NODES, *standins.process_files()]
        elif self._rung is Rung.PROOT:
            found += standins.BOUND_DEVICES
        found += standins.network_files(HOSTNAME)
        found += map(self._mount_point, self._binds)
        return found

    def _mount_point(self, bind: Bind) -> standins.StandIn:
        """Give what `bind` is mounted on; where nothing can be, what stands for it."""
        target, chroot = bind.target.strip("/"), self._rung is Rung.CHROOT
        if chroot and bind.source.is_char_device():
            number = bind.source.stat().st_rdev
            return standins.Device(target, os.major(number), os.minor(number))
        if chroot and (bind.writable or not bind.source.is_file()):
            raise InputError(
                f"isolation chroot: {bind.source} can't be shown at {bind.target}: nothing can be mounted here",
                next_step="choose --isolation proot, or run it where namespaces can be made",
            )
        if bind.source.is_dir():
            return standins.Directory(target)
        if not chroot:
            return standins.File(target, b"", 0o400)
        return standins.Copy(target, partial(open_regular, bind.source), bind.source.stat().st_mode & 0o555)

    def _plan(self, command: Command, limits: Limits) -> dict[str, object]:
        """Return what `enter` reads."""
        user, rung = command.user, self._rung
        argv, environment = list(command.argv), dict(command.environment)
        if rung.one_user and self._owners is not None and (user.uid, user.gid) != (0, 0):
            raise InputError(
                f"isolation {rung}: what user {user.uid}:{user.gid} makes can't be told from what is root's",
                next_step="choose --isolation root or chroot, or an image whose user is root",
            )
        if rung is Rung.PROOT:
            assert self._proot is not None
            binds = tuple((without_colon(bind.source, self._aside), bind.target) for bind in self._binds)
            argv = self._proot.arguments(self._root, binds, command.directory, (user.uid, user.gid), command.argv)
            environment |= self._proot.environment(self._aside)
        rules = self._rules()
        namespaces = 0
        if rung in (Rung.ROOT, Rung.USERNS):
            namespaces = _NAMESPACES | (0 if self._network else kernel.CLONE_NEWNET)
        return {
            "rung": rung,
            "root": str(self._aside / _MERGED if self._lower else self._root),
            "overlay": self._overlay(),
            "namespaces": namespaces,
            "hostname": HOSTNAME,
            "emulator": None if self._emulator is None else str(self._emulator),
            "binds": [(str(bind.source), bind.target, bind.writable) for bind in self._binds],
            "shm_size": self._shm_size,
            "last_process": self._last_process,
            "argv": argv,
            "environment": environment,
            "directory": command.directory,
            "uid": user.uid,
            "gid": user.gid,
            "groups": user.groups,
            "capabilities": self._capabilities(),
            "filter": base64.b64encode(seccomp.program(rules)).decode() if rules else None,
            "files": self._files(),
            "listen": any(rule.answer == seccomp.NOTIFY for rule in rules),
            # Under proot, it would count what others run as the same user, in other containers, too.
            "limits": {
                "processes": None if rung is Rung.PROOT else limits.processes,
                "file_size": limits.file_size,
            },
        }

    def _files(self) -> dict[str, list[str]] | None:
        """Say what of this machine's files is left to a guest that no mount namespace keeps from them, where that can
        be said of it: only where it has a filter, too."""
        if self._proot is None or self._rung is not Rung.PROOT:
            return None
        writable = [str(self._root), "/proc", *(f"/dev/{name}" for name in DEVICES)]
        writable += self._proot.written(self._aside)
        writable += [str(bind.source) for bind in self._binds if bind.writable or bind.target.startswith("/dev/")]
        readable = ["/sys", *self._proot.files, *(str(bind.source) for bind in self._binds)]
        return {"writable": writable, "readable": readable}

    def _overlay(self) -> list[list[str] | str] | None:
        if not self._lower:
            return None
        return [list(map(str, self._lower)), str(self._root), str(self._aside / _WORK), OVERLAY[self._rung]]

    def _capabilities(self) -> list[int] | None:
        if self._rung is Rung.PROOT and os.geteuid() != 0:
            return None
        kept = kernel.CAPABILITIES
        # A second chroot leads out of the first; out of a mount namespace's root, it leads nowhere.
        return sorted(kept - {kernel.CAP_SYS_CHROOT} if self._rung is Rung.CHROOT else kept)

    def _rules(self) -> Sequence[seccomp.Rule]:
        owners = seccomp.FORGOTTEN_OWNERS if self._owners is None else seccomp.RECORDED_OWNERS
        metadata = () if self._metadata else seccomp.NO_METADATA
        network = () if self._network else seccomp.NO_NETWORK
        match self._rung:
            case Rung.ROOT:
                return (*seccomp.COMMON, *metadata)
            case Rung.USERNS:
                return (*owners, *seccomp.ONE_USER, *seccomp.COMMON, *metadata)
            case Rung.CHROOT if not (network or metadata) and not kernel.capabilities() & 1 << kernel.CAP_SYS_ADMIN:
                # A filter would cost new privileges, and sudo with them, for what a container's engine refuses anyway.
                return ()
            case Rung.CHROOT:
                return (*network, *seccomp.NO_TRACING, *seccomp.COMMON, *metadata)
            case Rung.PROOT:
                return (*seccomp.UNKNOWN_TO_PROOT, *owners, *network, *seccomp.COMMON, *metadata)

    def _listener(self, descriptor: int) -> Listener:
        handlers: list[Handler] = []
        if self._rung.one_user and self._owners is not None:
            view = Namespaced() if self._rung is Rung.USERNS else Traced(os.geteuid(), os.getegid())
            handlers.append(Recorder(self._owners, view))
        if not self._metadata:
            handlers.append(NoMetadata())
        return Listener(descriptor, handlers)
