"""A process gives up files, sockets and signals for good (landlock(7)): the wall of a rung that has no mount namespace.

Standard library only, as `enter`.
"""

import errno
import os
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress

from cogpack.sandbox import kernel

_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1, 2, 4, 8
_SINCE = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 5: 0xFFFF}
"""What can be handled, by the version of the interface: all but files' content since 1, REFER (rename into another
directory) since 2, TRUNCATE since 3, IOCTL_DEV since 5."""
_OF_FILES = 0xC007
"""Of these, what a rule for a single file may allow: execute, write, read, truncate, ioctl."""
_SCOPES, _SCOPED_SINCE = 3, 6
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL: of and to processes that have not given them up with us."""


def version() -> int:
    """Return the version of the kernel's interface; 0 where there is none."""
    try:
        return kernel.landlock_create_ruleset(None, 0, _VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):  # a container's engine of old says EPERM
            return 0
        raise


def give_up_signals() -> None:
    """From now on, reach no process by a signal or by an abstract socket (unix(7)) but those that we start."""
    if version() >= _SCOPED_SINCE:
        _restrict(struct.pack("QQQ", 0, 0, _SCOPES), [])


def give_up_files(writable: Sequence[str], readable: Sequence[str]) -> None:
    """From now on, open nothing but what lies below these paths; and reach no process, as above.

    `readable`: to be read and executed. What is not there is left out. A kernel of before Linux 5.19 would refuse every
    rename into another directory: there, nothing is given up.
    """
    found = version()
    if found < 2:
        return
    handled = _SINCE[max(since for since in _SINCE if since <= found)]
    attributes = struct.pack("QQQ", handled, 0, _SCOPES if found >= _SCOPED_SINCE else 0)
    rules = [(path, handled) for path in writable]
    rules += [(path, _EXECUTE | _READ_FILE | _READ_DIRECTORY) for path in readable]
    _restrict(attributes[: 24 if found >= _SCOPED_SINCE else 8], rules)


def _restrict(attributes: bytes, rules: Sequence[tuple[str, int]]) -> None:
    ruleset = kernel.landlock_create_ruleset(attributes, len(attributes), 0)
    try:
        for path, access in rules:
            with suppress(FileNotFoundError, NotADirectoryError):
                file = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    allowed = access if stat.S_ISDIR(os.fstat(file).st_mode) else access & _OF_FILES
                    kernel.landlock_add_rule(ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, file))
                finally:
                    os.close(file)
        kernel.landlock_restrict_self(ruleset)
    finally:
        os.close(ruleset)
