"""An object is told by what it has in common with another one (gitformat-pack(5), "Deltified representation").

Which copies are made decides the bytes of a layer: no library has a say in it, and a change here is another recipe
(`source`). Fast rather than thorough: what both begin and end with, and between them whole lines.
"""

import re
from collections.abc import Iterator

_COPY = 0xFFFF
_INSERT = 127
_LEAST = 16
"""Bytes that are worth a copy."""
_BLOCK = 4096
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_TREE = re.compile(rb"([0-7]+ [^\0]+\0.{20})", re.DOTALL)


def delta(base: bytes, target: bytes, *, tree: bool) -> bytes | None:
    """Make the delta from `base` to `target`; None where it would save less than half. `tree`: both are trees."""
    begin = _same_begin(base, target)
    end = _same_end(base, target, min(len(base), len(target)) - begin)
    old, new = base[begin : len(base) - end], target[begin : len(target) - end]
    out = bytearray(_number(len(base)) + _number(len(target)))
    if begin < _LEAST:
        old, new, begin = base[: len(base) - end], target[: len(target) - end], 0
    if end < _LEAST:
        old, new, end = base[begin:], target[begin:], 0
    _copy(out, 0, begin)
    most = len(target) // 2
    for place, data in _matches(old, new, tree=tree):
        if isinstance(data, int):
            _copy(out, begin + place, data)
        else:
            _insert(out, data)
        if len(out) > most:
            return None
    _copy(out, len(base) - end, end)
    return bytes(out) if len(out) <= most else None


def _matches(old: bytes, new: bytes, *, tree: bool) -> Iterator[tuple[int, int | bytes]]:
    """Give what `new` is made of: (place, size) of `old`, or (0, bytes) of its own."""
    if len(old) < _LEAST or len(new) < _LEAST:
        if new:
            yield 0, new
        return
    parts = _parts(old, tree=tree)
    places, at = [0], 0
    index: dict[bytes, int] = {}
    for number, part in enumerate(parts):
        index.setdefault(part, number)
        at += len(part)
        places.append(at)
    mine = _parts(new, tree=tree)
    own = bytearray()
    number = after = 0
    while number < len(mine):
        part = mine[number]
        found = after if after < len(parts) and parts[after] == part else index.get(part)
        if found is None:
            own += part
            number += 1
            continue
        first, last = found, found
        while number < len(mine) and last < len(parts) and mine[number] == parts[last]:
            last += 1
            number += 1
        size = places[last] - places[first]
        if size < _LEAST:
            own += old[places[first] : places[last]]
            continue
        if own:
            yield 0, bytes(own)
            own.clear()
        yield places[first], size
        after = last
    if own:
        yield 0, bytes(own)


def _parts(data: bytes, *, tree: bool) -> list[bytes]:
    """Cut into lines, or into a tree's entries and what is left of cut ones."""
    return [part for part in _TREE.split(data) if part] if tree else _LINE.findall(data)


def _same_begin(a: bytes, b: bytes) -> int:
    size = min(len(a), len(b))
    at = 0
    while at < size:
        left, right = a[at : min(at + _BLOCK, size)], b[at : min(at + _BLOCK, size)]
        if left != right:
            differ = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
            return at + len(left) - (differ.bit_length() + 7) // 8
        at += len(left)
    return size


def _same_end(a: bytes, b: bytes, size: int) -> int:
    at = 0
    while at < size:
        step = min(_BLOCK, size - at)
        left, right = a[len(a) - at - step : len(a) - at], b[len(b) - at - step : len(b) - at]
        if left != right:
            differ = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
            return at + step - (differ.bit_length() + 7) // 8
        at += step
    return size


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _copy(out: bytearray, place: int, size: int) -> None:
    while size:
        length = min(size, _COPY)
        head, numbers = 0x80, bytearray()
        for bit, byte in enumerate(place.to_bytes(4, "little")):
            if byte:
                head |= 1 << bit
                numbers.append(byte)
        for bit, byte in enumerate(length.to_bytes(2, "little")):
            if byte:
                head |= 0x10 << bit
                numbers.append(byte)
        out.append(head)
        out += numbers
        place += length
        size -= length


def _insert(out: bytearray, data: bytes) -> None:
    for at in range(0, len(data), _INSERT):
        piece = data[at : at + _INSERT]
        out.append(len(piece))
        out += piece
