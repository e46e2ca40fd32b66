"""One run of a helper (`enter`) and its command, from its start to the end of all that it started."""

import json
import os
import select
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.errors import InputError, UnavailableError
from cogpack.progress import Cancellation
from cogpack.sandbox import helpers
from cogpack.sandbox.rungs.processes import end_session
from cogpack.sandbox.system_calls.listener import Listener
from cogpack.sandbox.watch import Limits, Watch

_BLOCK = 64 * 1024
_ASK = 50
"""Milliseconds after which it is looked whether we are to stop."""
_PATIENCE = 30
"""Seconds that a helper may take to end all that it started."""


class Streams(msgspec.Struct, frozen=True):
    """Is where a command's standard streams lead. `output` is given what it writes, as it comes; `errors`, what it
    writes to stderr, None for both in one; `input`: a descriptor that it reads, None for nothing to read."""

    output: Callable[[bytes], None]
    errors: Callable[[bytes], None] | None = None
    input: int | None = None


class Run:
    """One run of a helper."""

    def __init__(
        self,
        plan: Mapping[str, object],
        tree: Path,
        listener: Callable[[int], Listener],
        streams: "Streams",
        cancellation: Cancellation,
        limits: Limits,
    ) -> None:
        self._plan = plan
        self._tree = tree
        self._make_listener = listener
        self._streams = streams
        self._outputs: dict[int, Callable[[bytes], None]] = {}
        self._cancellation = cancellation
        self._limits = limits
        self._listener: Listener | None = None
        self._poll = select.poll()
        self._status: int | None = None

    def status(self) -> int:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pipes = [os.pipe() for _ in range(1 if self._streams.errors is None else 2)]
        self._outputs[pipes[0][0]] = self._streams.output
        if self._streams.errors is not None:
            self._outputs[pipes[1][0]] = self._streams.errors
        plan = os.memfd_create("plan")
        os.write(plan, json.dumps(self._plan).encode())
        os.lseek(plan, 0, os.SEEK_SET)
        try:
            helper = subprocess.Popen(
                helpers.command("rungs.enter", str(plan), str(theirs.fileno())),
                stdin=subprocess.DEVNULL if self._streams.input is None else self._streams.input,
                stdout=pipes[0][1],
                stderr=pipes[-1][1],
                env={},
                cwd="/",
                pass_fds=(plan, theirs.fileno()),
                start_new_session=True,
            )
        except BaseException:
            control.close()
            for reading, _ in pipes:
                os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(plan)
            for _, writing in pipes:
                os.close(writing)
        try:
            self._attend(control, Watch(self._limits, self._tree, helper.pid))
        finally:
            control.close()  # which the helper takes as our end
            try:
                helper.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
            if helper.returncode != 0:  # it was killed before it could end them
                end_session(helper.pid)
            if self._listener is not None:
                self._listener.close()
            for reading, _ in pipes:
                os.close(reading)
        if self._status is None:
            raise UnavailableError(
                f"isolation {self._plan['rung']}: what ran the command was killed ({helper.returncode})",
                next_step="run it again; a machine with too little memory kills processes",
            )
        return self._status

    def _attend(self, control: socket.socket, watch: Watch) -> None:
        """Hand on, answer and wait, until the helper has ended."""
        for reading in self._outputs:
            os.set_blocking(reading, False)
        for readable in (control.fileno(), *self._outputs):
            self._poll.register(readable, select.POLLIN)
        while True:
            for readable, events in self._poll.poll(_ASK):
                if readable in self._outputs:
                    watch.hear()
                    self._hand_on(readable)
                elif readable == control.fileno():
                    if not self._hear(control):
                        for reading in self._outputs:
                            while self._hand_on(reading):
                                pass
                        return
                elif self._listener is not None and events & select.POLLIN:
                    self._listener.answer()
                else:
                    self._poll.unregister(readable)
            self._cancellation.check()
            watch.check()

    def _hand_on(self, reading: int) -> bool:
        """Give a stream a block; say whether there may be more."""
        with suppress(BlockingIOError):
            if block := os.read(reading, _BLOCK):
                self._outputs[reading](block)
                return True
            with suppress(KeyError):
                self._poll.unregister(reading)
        return False

    def _hear(self, control: socket.socket) -> bool:
        """Take a message of the helper; say whether it is still there."""
        message, descriptors, _, _ = socket.recv_fds(control, 64 * 1024, 1)
        match message[:1]:
            case b"L":
                self._listener = self._make_listener(descriptors[0])
                self._poll.register(descriptors[0], select.POLLIN)
            case b"S":
                self._status = int(message[1:])
            case b"E":
                name, _, reason = json.loads(message[1:])
                raise InputError(
                    f"isolation {self._plan['rung']}: {name}: {reason}", next_step="choose another --isolation"
                )
        return bool(message)
