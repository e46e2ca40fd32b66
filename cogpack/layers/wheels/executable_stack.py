"""Whether a shared object asks for an executable stack is read from the beginning of it (elf(5), PT_GNU_STACK)."""

import struct

HEAD = 8 * 1024
"""Bytes of a shared object, enough for the program headers, which follow the ELF header in what linkers write."""

_IDENT = b"\x7fELF\x02\x01"
_X86_64 = 62
_GNU_STACK = 0x6474E551
_EXECUTE = 1
_SIZE = 56


def asks_for_executable_stack(head: bytes) -> bool:
    """Tell it of a 64-bit shared object. One that does not say gets what its machine's ABI says, which is such a stack
    on amd64; one whose headers lie elsewhere, or that is none, does not ask."""
    try:
        if not head.startswith(_IDENT):
            return False
        (machine,) = struct.unpack_from("<H", head, 18)
        (at,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        if size != _SIZE or not count:
            return False
        headers = [struct.unpack_from("<II", head, at + number * size) for number in range(count)]
    except (struct.error, OverflowError):
        return False
    flags = [flags for kind, flags in headers if kind == _GNU_STACK]
    return bool(flags[0] & _EXECUTE) if flags else bool(machine == _X86_64)
