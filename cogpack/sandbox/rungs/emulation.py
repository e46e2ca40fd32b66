"""Programs of another architecture are run by an emulator that the kernel is told of (binfmt_misc): this machine's own,
or one that a user namespace alone knows (Linux 6.7).

Standard library only, as `enter`.
"""

import os
from contextlib import suppress
from pathlib import Path

from cogpack.sandbox import kernel

_HEAD = b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
_HEADS = {"arm64": _HEAD + b"\xb7\x00", "amd64": _HEAD + b"\x3e\x00"}
"""How a program begins (elf(5)), by Debian's name of its architecture: 64 bits, little-endian, ET_EXEC, EM_AARCH64 or
EM_X86_64."""
MACHINES = {"aarch64": "arm64", "x86_64": "amd64"}
"""Debian's name of an architecture by that of `uname -m`."""
_MASK = b"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
"""Which of these bits count: neither the system that it names, nor the one that tells ET_DYN from ET_EXEC."""
_KNOWN = Path("/proc/sys/fs/binfmt_misc")


def is_native(architecture: str) -> bool:
    """Tell whether programs of `architecture`, "amd64" or "arm64", need no emulator of ours here."""
    return MACHINES.get(os.uname().machine) == architecture or is_registered(_KNOWN, architecture)


def is_registered(known: Path, architecture: str) -> bool:
    """Tell whether this machine knows an emulator that is found in any tree: it is held open (flag F)."""
    with suppress(OSError):
        for entry in known.iterdir():
            if entry.name in ("register", "status"):
                continue
            with suppress(OSError):
                told = entry.read_text().splitlines()
                flags = next((line for line in told if line.startswith("flags:")), "")
                if told[:1] == ["enabled"] and "F" in flags and f"magic {_HEADS[architecture].hex()}" in told:
                    return True
    return False


def register(place: str, emulator: str) -> int:
    """Have programs of arm64 run by `emulator` in this user namespace, and in no other, as long as what is returned is
    open. `place`: any directory, for a moment."""
    kernel.mount("binfmt_misc", place, "binfmt_misc")
    held = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    file = os.open("register", os.O_WRONLY | os.O_CLOEXEC, dir_fd=held)
    try:
        # P: argv[0] is handed on; F: it is opened now, while it can be found.
        head, mask = _escaped(_HEADS["arm64"]), _escaped(_MASK)
        os.write(file, b":cogpack-arm64:M::%b:%b:%b:PF" % (head, mask, os.fsencode(emulator)))
    finally:
        os.close(file)
    kernel.unmount(place)
    return held


def _escaped(data: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in data)
