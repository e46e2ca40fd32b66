"""The program that asks the kernel what each rung would ask of it; `probe` starts it and reads its answers.

Every question has a process of its own, since no answer can be taken back: who has entered a namespace stays there. It
goes to the end of what the rung does first, for a namespace may be granted and its maps or mounts refused (Ubuntu's
AppArmor). Standard library only.
"""

import base64
import errno
import json
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cogpack.sandbox import kernel
from cogpack.sandbox.rungs.mounts import OVERLAY, mount_overlay

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET

Question = Callable[[str], None]


class _RefusedError(Exception):
    """Raised where `call` is refused."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(call, code)
        self.call = call
        self.code = code


@contextmanager
def _trying(call: str = "") -> Iterator[None]:
    """Name what was refused: `call`, else what the error names."""
    try:
        yield
    except OSError as error:
        raise _RefusedError(call or str(error.filename), error.errno or 0) from error


def _can_execute(place: str) -> None:
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        raise _RefusedError("execve", errno.EACCES)


def _is_root() -> None:
    if os.geteuid() != 0:
        raise _RefusedError("setuid", errno.EPERM)


def _can_give_away(place: str) -> None:
    with _trying("chown"):  # not on NFS with root squashed, nor without CAP_CHOWN
        Path(place, "given").mkdir()
        os.chown(f"{place}/given", 1, 1)


def _can_mount(place: str) -> None:
    with _trying("mount"):
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount(place, place, None, kernel.MS_BIND | kernel.MS_REC)
        kernel.mount("tmpfs", place, "tmpfs")
    _in_child(_can_mount_proc, place)


def _can_mount_proc(place: str) -> None:
    with _trying("mount proc"):
        kernel.mount_proc(place)


def _root(place: str) -> None:
    _can_execute(place)
    _is_root()
    _can_give_away(place)
    with _trying("unshare"):
        kernel.unshare(_NAMESPACES)
    _can_mount(place)


def _userns(place: str) -> None:
    _can_execute(place)
    with _trying():
        kernel.enter_user_namespace(0, 0, _NAMESPACES)
    _can_mount(place)


def _chroot(place: str) -> None:
    _can_execute(place)
    _is_root()
    _can_give_away(place)
    with _trying("mknod"):
        os.mknod(f"{place}/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with _trying("open of a device"), open(f"{place}/null", "wb"):  # EACCES where devices are off (nodev)
        pass
    with _trying("chroot"):
        os.chroot(place)


def _proot(place: str) -> None:
    _can_execute(place)
    _in_child(_can_trace)
    with _trying("seccomp"):
        kernel.seccomp(_ALLOW_ALL, listen=False)


def _can_trace(_place: str) -> None:
    child = os.fork()
    if child == 0:
        try:
            kernel.ptrace(kernel.PTRACE_TRACEME, 0)
        except OSError as error:
            os._exit(error.errno or 1)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise _RefusedError("ptrace", os.waitstatus_to_exitcode(status))
    try:
        with _trying("ptrace"):
            kernel.ptrace(kernel.PTRACE_SETOPTIONS, child, kernel.PTRACE_O_TRACESYSGOOD)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _root_overlay(place: str) -> None:
    with _trying("unshare"):
        kernel.unshare(kernel.CLONE_NEWNS)
    _can_overlay(place, OVERLAY["root"])


def _userns_overlay(place: str) -> None:
    with _trying():
        kernel.enter_user_namespace(0, 0, kernel.CLONE_NEWNS)
    _can_overlay(place, OVERLAY["userns"])


def _can_overlay(place: str, options: str) -> None:
    for name in ("target", "lower", "upper", "work"):
        Path(place, name).mkdir()
    Path(place, "lower/file").touch()
    with _trying("mount overlay"):
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        mount_overlay(f"{place}/target", [f"{place}/lower"], f"{place}/upper", f"{place}/work", options)
        Path(place, "target/file").write_text("copied up")


def _listener(_place: str) -> None:
    major, minor, *_ = os.uname().release.split(".")
    if (int(major), int(minor)) < _GOES_ON:
        raise _RefusedError("seccomp with a listener", errno.ENOSYS)
    with _trying("seccomp with a listener"):
        kernel.seccomp(_ALLOW_ALL, listen=True)


def _emulation(place: str) -> None:
    with _trying():
        kernel.enter_user_namespace(0, 0, kernel.CLONE_NEWNS)
    with _trying("mount binfmt_misc"):
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("binfmt_misc", place, "binfmt_misc")


_GOES_ON = (5, 5)
"""Linux from which on a listener may have the kernel do what was asked."""

_ALLOW_ALL = bytes((6, 0, 0, 0, 0, 0, 0xFF, 0x7F))

QUESTIONS: dict[str, Question] = {
    "root": _root,
    "userns": _userns,
    "chroot": _chroot,
    "proot": _proot,
    "listener": _listener,
    "emulation": _emulation,
    "root overlay": _root_overlay,
    "userns overlay": _userns_overlay,
}


def _in_child(question: Question, place: str = "") -> None:
    """Ask in a process of its own; raise what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            question(place)
            answer = b"yes"
        except _RefusedError as refused:
            answer = json.dumps([refused.call, refused.code]).encode()
        except BaseException as error:  # noqa: BLE001 - it is told, and the process is ours
            answer = json.dumps([f"{type(error).__name__}: {error}", 0]).encode()
        os.write(writing, answer[:4096])
        os._exit(0)
    os.close(writing)
    answer = os.read(reading, 4096)
    os.close(reading)
    os.waitpid(child, 0)
    if answer != b"yes":
        raise _RefusedError(*json.loads(answer or b'["a call that killed the process", 0]'))


def _answer(question: Question, place: str) -> tuple[str, int] | None:
    Path(place).mkdir()
    try:
        _in_child(question, place)
    except _RefusedError as refused:
        return refused.call, refused.code
    return None


def main() -> None:
    """Read `{"place": a directory, "filter": base64 of what to ask under}`; write question: null or [call, errno]."""
    asked = json.load(sys.stdin)
    if asked["filter"]:
        kernel.seccomp(base64.b64decode(asked["filter"]), listen=False)
    answers = {name: _answer(question, f"{asked['place']}/{name}") for name, question in QUESTIONS.items()}
    json.dump(answers, sys.stdout)
