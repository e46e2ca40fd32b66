"""The program that enters a rung and runs one command there; `guest` starts it, hears of the command, and outlives it.

    cogpack -> helper -> init, PID 1 of a namespace -> command      root, userns
               helper -> command                                    chroot, proot

The helper waits until the command ends or cogpack does, which closes the control socket even when it is killed. Then it
kills all that is left: PID 1, whose end is everybody's (pid_namespaces(7)), or one by one, since orphans fall to it
(PR_SET_CHILD_SUBREAPER). Whoever is killed instead of the helper takes the command along (PR_SET_PDEATHSIG).

Standard library only, all of it imported at once: after chroot, an import would find the image's modules.
"""

import base64
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from cogpack.sandbox import kernel
from cogpack.sandbox.rungs import landlock
from cogpack.sandbox.rungs.mounts import mount_all
from cogpack.sandbox.rungs.processes import end_descendants, end_orphans

_FAILED = 125
"""How a process of ours ends that could not do its part, which it has told over the control socket."""

_INTERPRETERS = 6
"""More than scripts may be run by one another (execve(2))."""

_LOOK = 0.1
"""Seconds after which it is looked whether a command of proot has ended."""

Plan = dict[str, Any]
"""What `guest` wrote: JSON, since an interpreter without packages knows nothing better."""


class Control:
    """The socket to cogpack. A message is a packet, and its first letter says what it is."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - by position only
        self._socket = socket.socket(fileno=descriptor)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def give_listener(self, descriptor: int) -> None:
        socket.send_fds(self._socket, [b"L"], [descriptor])

    def tell_status(self, code: int) -> None:
        self._tell(b"S%d" % code)

    def tell_error(self, error: OSError) -> None:
        told = [str(error.filename or ""), error.errno, error.strerror]
        self._tell(b"E" + json.dumps(told).encode())

    def _tell(self, message: bytes) -> None:
        with suppress(OSError):  # nobody is there to hear
            self._socket.send(message)


def main() -> None:
    """Run the plan in one descriptor; answer over the other."""
    plan_file, control_socket = map(int, sys.argv[1:])
    with open(plan_file, "rb") as stream:
        plan: Plan = json.load(stream)
    control = Control(control_socket)
    woken = _wake_on_children()
    try:
        child = _start(plan, control)
    except OSError as error:
        control.tell_error(error)
        os._exit(_FAILED)
    status = None
    while status is None:
        ready = select.select([woken.fileno(), control.fileno()], [], [], _LOOK if plan["rung"] == "proot" else None)[0]
        if control.fileno() in ready:
            break
        if woken.fileno() in ready:
            woken.recv(64)
            status = _reaped(child)
        else:
            end_orphans(child)
    if plan["namespaces"]:
        _end(child)
    else:
        end_descendants()
    if status is not None:
        control.tell_status(status)
    os._exit(0)


def _wake_on_children() -> socket.socket:
    """Return what can be read from once a child has ended."""
    woken, waker = socket.socketpair()
    os.set_blocking(waker.fileno(), False)
    signal.set_wakeup_fd(waker.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _reaped(child: int) -> int | None:
    """Reap who has ended; return the status of `child` as a shell tells it, None if it goes on."""
    found = None
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            if process == child:
                code = os.waitstatus_to_exitcode(status)
                found = code if code >= 0 else 128 - code
    return found


def _end(child: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _start(plan: Plan, control: Control) -> int:
    """Begin; return the process whose end is the command's."""
    if plan["rung"] == "userns":
        kernel.enter_user_namespace(plan["uid"], plan["gid"], plan["namespaces"])
    elif plan["namespaces"]:
        kernel.unshare(plan["namespaces"])
    else:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(reading)
        return child  # `writing` stays open as long as we live
    os.close(writing)
    try:
        _be_killed_first()
        if plan["namespaces"]:
            _be_init(plan, control, reading)
        _be_command(plan, control, reading)
    except OSError as error:
        control.tell_error(error)
    except BaseException as error:  # noqa: BLE001 - it is told, and this process has no caller
        control.tell_error(OSError(0, f"{type(error).__name__}: {error}", "enter"))
    os._exit(_FAILED)


def _be_init(plan: Plan, control: Control, parent: int) -> None:
    """Make the namespaces a place to be, and return in the command's process; PID 1 stays, and reaps."""
    _die_with(parent)
    if plan["namespaces"] & kernel.CLONE_NEWNET:
        _raise_loopback()
    socket.sethostname(plan["hostname"])
    if plan["last_process"] is not None:
        with suppress(OSError):  # where somebody mounted /proc/sys read-only
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(plan["last_process"]))
    mount_all(
        plan["root"], plan["overlay"], plan["binds"], plan["limits"]["processes"], plan["shm_size"], plan["emulator"]
    )
    kernel.pivot_root(plan["root"])
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # /proc/1 is nobody's to look at, nor the command's until it is itself
    command = os.fork()
    if command == 0:
        return
    kernel.give_up_capabilities()
    control.close()
    status = None
    while status is None:
        process, ended = os.waitpid(-1, 0)
        if process == command:
            code = os.waitstatus_to_exitcode(ended)
            status = code if code >= 0 else 128 - code
    os._exit(status)


def _be_command(plan: Plan, control: Control, parent: int) -> NoReturn:
    if plan["rung"] == "chroot":
        os.chroot(plan["root"])
    if plan["rung"] != "proot":
        os.chdir(plan["directory"])
    _limit(plan["limits"])
    os.umask(0o022)
    if plan["filter"] is not None:
        listener = kernel.seccomp(base64.b64decode(plan["filter"]), listen=plan["listen"])
        if plan["listen"]:
            control.give_listener(listener)
            os.close(listener)
        if plan["files"] is not None:
            landlock.give_up_files(**plan["files"])
        else:  # it asks for no new privileges, as the filter does, or for CAP_SYS_ADMIN
            landlock.give_up_signals()
    if plan["capabilities"] is not None:
        kernel.keep_capabilities(plan["capabilities"])
    if plan["rung"] in ("root", "chroot"):
        os.setgroups(plan["groups"])
        os.setresgid(plan["gid"], plan["gid"], plan["gid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    if not plan["namespaces"]:
        _die_with(parent)  # last, since new ids make the kernel forget it (prctl(2))
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    _execute(plan["argv"], plan["environment"])


def _die_with(parent: int) -> None:
    """Be killed when the parent is. `parent`: a pipe whose other end it holds: it may have ended already."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([parent], [], [], 0)[0]:
        os._exit(_FAILED)


def _be_killed_first() -> None:
    """Have the kernel take us, and all that we start, before any other program where memory is out (proc(5))."""
    with suppress(OSError):  # where there is no such file, nothing is lost
        Path("/proc/self/oom_score_adj").write_text("1000")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_and_running = struct.pack("16sH14x", b"lo", 0x41)
        fcntl.ioctl(any_socket, 0x8914, up_and_running)  # SIOCSIFFLAGS


def _limit(limits: dict[str, int | None]) -> None:
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_FSIZE, limits["file_size"]),
    ):
        if limit is not None:
            hard = resource.getrlimit(kind)[1]
            chosen = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (chosen, chosen))


_OURSELVES = Path("/proc/self/exe").stat()


def _refuse_ourselves(path: str) -> None:
    """Refuse a program that is, by way of /proc/self/exe, this machine's Python: it could be opened from there, and
    written to (CVE-2019-5736). As an interpreter of scripts, too; nobody can change the tree now."""
    for _ in range(_INTERPRETERS):
        if os.path.samestat(Path(path).stat(), _OURSELVES):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        try:
            with open(path, "rb") as program:
                line = program.readline(256).removesuffix(b"\n")
        except PermissionError:  # which root never gets, and nobody else could write
            return
        if not line.startswith(b"#!") or not (words := line[2:].split(maxsplit=1)):
            return
        path = os.fsdecode(words[0])


def _execute(argv: list[str], environment: dict[str, str]) -> NoReturn:
    """Become the program, looked for along the command's own PATH, or end as a shell does that finds none."""
    name = argv[0]
    places = [""] if "/" in name else [f"{place or '.'}/" for place in environment.get("PATH", "").split(":")]
    reason = errno.ENOENT
    for place in places:
        try:
            _refuse_ourselves(place + name)
            os.execve(place + name, argv, environment)  # noqa: S606
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                reason = error.errno or reason
    os.write(2, os.fsencode(f"{name}: {os.strerror(reason)}\n"))
    os._exit(127 if reason == errno.ENOENT else 126)
