"""Calls of a guest that its filter stops are answered by us: the kernel asks (seccomp_unotify(2)), a `Handler` says.

A handler reads the process's memory, which another of its threads may write meanwhile: what it decides by that and
lets the kernel do itself is no wall.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Sequence
from typing import Protocol

from cogpack.sandbox.system_calls.numbers import number

_RECEIVE, _SEND, _IS_VALID, _ADD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
"""SECCOMP_IOCTL_NOTIF_RECV, _SEND, _ID_VALID, _ADDFD."""

_REQUEST = struct.Struct("QIIiIQ6Q")
"""struct seccomp_notif: id, pid, flags; struct seccomp_data: number, architecture, instruction pointer, arguments."""

_CONTINUE = 1
"""SECCOMP_USER_NOTIF_FLAG_CONTINUE (Linux 5.5): the kernel does what was asked."""
_SEND_TOO = 2
"""SECCOMP_ADDFD_FLAG_SEND (Linux 5.14): the new descriptor is the answer."""
_PATH_MAX, _PAGE = 4096, 4096


class Notification:
    """A call that waits for our answer."""

    def __init__(self, listener: int, cookie: int, process: int, call: str, arguments: Sequence[int]) -> None:
        self._listener = listener
        self._cookie = cookie
        self.process = process
        self.call = call
        self.arguments = arguments
        self.answered = False

    def check(self) -> None:
        """Raise an `OSError` where it waits no more: what was read by its number may be another process's."""
        fcntl.ioctl(self._listener, _IS_VALID, struct.pack("Q", self._cookie))

    def text(self, address: int) -> bytes:
        """Read a C string of the process; a page may be the last one that it has."""
        text = b""
        while len(text) < _PATH_MAX and b"\0" not in text:
            block = self.memory(address + len(text), _PAGE - (address + len(text)) % _PAGE)
            if not block:  # it was killed, and its memory is gone before the process is
                raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
            text += block
        path, ended, _ = text.partition(b"\0")
        if not ended:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        return path

    def memory(self, address: int, size: int) -> bytes:
        with open(f"/proc/{self.process}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size)

    def give(self, file: int, *, inherited: bool) -> None:
        """Answer with an open file of ours, which the process gets as a descriptor; `EINVAL` before Linux 5.14."""
        flags = 0 if inherited else os.O_CLOEXEC
        fcntl.ioctl(self._listener, _ADD, struct.pack("QIIII", self._cookie, _SEND_TOO, file, 0, flags))
        self.answered = True

    def send(self, code: int | None) -> None:
        """Answer that the call fails with `code`, 0 that it was done; None has the kernel do it."""
        answer = struct.pack("QqiI", self._cookie, 0, -(code or 0), _CONTINUE if code is None else 0)
        fcntl.ioctl(self._listener, _SEND, answer)
        self.answered = True


class Handler(Protocol):
    """Answers `calls`."""

    @property
    def calls(self) -> Sequence[str]: ...

    def answer(self, asked: Notification) -> int | None:
        """Return what `send` takes, unless it was answered already. An `OSError` is the call's own."""


class Listener:
    """Has the calls that are read from `descriptor`, which it closes, answered by `handlers`."""

    def __init__(self, descriptor: int, handlers: Sequence[Handler]) -> None:
        self._descriptor = descriptor
        self._calls = {number(call): (call, handler) for handler in handlers for call in handler.calls}

    def close(self) -> None:
        os.close(self._descriptor)

    def answer(self) -> None:
        """Answer one call; nobody may be asking any more."""
        request = bytearray(_REQUEST.size)
        try:
            fcntl.ioctl(self._descriptor, _RECEIVE, request)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # the process was killed
                return
            raise
        cookie, process, _, numbered, _, _, *arguments = _REQUEST.unpack(request)
        call, handler = self._calls[numbered]
        asked = Notification(self._descriptor, cookie, process, call, arguments)
        try:
            code = handler.answer(asked)
        except OSError as error:
            code = error.errno or errno.EIO
        if not asked.answered:
            try:
                asked.send(code)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
