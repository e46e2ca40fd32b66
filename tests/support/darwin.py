"""What Linux has and macOS has not is hidden from this process: names of `os` and of the C library, /proc and /sys."""

import builtins
import contextlib
import ctypes
import io
import os
import platform
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_OS = (
    *("copy_file_range", "eventfd", "eventfd_read", "eventfd_write", "fdatasync", "getresgid", "getresuid", "getxattr"),
    *("listxattr", "memfd_create", "pidfd_open", "pipe2", "posix_fadvise", "posix_fallocate", "removexattr"),
    *("sched_getaffinity", "sched_setaffinity", "setns", "setresgid", "setresuid", "setxattr", "splice", "unshare"),
    *("O_DIRECT", "O_LARGEFILE", "O_NOATIME", "O_PATH", "O_RSYNC", "O_TMPFILE", "P_PIDFD", "process_cpu_count"),
)
_SIGNALS = ("SIGPWR", "SIGRTMAX", "SIGRTMIN", "SIGSTKFLT", "sigtimedwait", "sigwaitinfo", "pidfd_send_signal")
_SOCKETS = ("AF_NETLINK", "AF_VSOCK", "MSG_NOSIGNAL", "SO_BINDTODEVICE", "SO_PEERCRED", "SOCK_CLOEXEC", "SOCK_NONBLOCK")
_LIBRARY = ("mallopt", "prctl", "renameat2", "setns", "syncfs", "unshare")


@contextlib.contextmanager
def darwin(machine: str = "arm64") -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, names in ((os, _OS), (signal, _SIGNALS), (socket, _SOCKETS)):
            for name in names:
                patch.delattr(module, name, raising=False)
        patch.setattr(platform, "system", lambda: "Darwin")
        patch.setattr(platform, "machine", lambda: machine)
        found = ctypes.CDLL.__getattr__

        def in_library(self: ctypes.CDLL, name: str) -> Any:
            if name in _LIBRARY:
                raise AttributeError(name)
            return found(self, name)

        patch.setattr(ctypes.CDLL, "__getattr__", in_library)
        patch.setattr(builtins, "open", _without(open))
        patch.setattr(io, "open", _without(io.open))
        for name in ("open", "stat", "listdir", "scandir"):
            patch.setattr(os, name, _without(getattr(os, name)))
        yield


def _without(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(path: Any = ".", *more: Any, **named: Any) -> Any:
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(("/proc", "/sys/")):
            raise FileNotFoundError(2, "No such file or directory", path)
        return call(path, *more, **named)

    return called
