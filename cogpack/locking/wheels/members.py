"""The files of a wheel are remembered by three bytes each, enough to name those in which another build differs."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cogpack.sizes import BLOCK

_BYTES = 3


def member_marks(wheel: Path) -> str:
    """Give what the lock keeps of a wheel's files."""
    return "".join(sorted(mark for _, mark in _marks(wheel)))


def differing_members(wheel: Path, known: str) -> tuple[list[str], int]:
    """Name the files of `wheel` that are not among the `known` ones, and count those of these that it has not."""
    left = [known[at : at + 4] for at in range(0, len(known), 4)]
    others: list[str] = []
    for name, mark in _marks(wheel):
        if mark in left:
            left.remove(mark)
        else:
            others.append(name)
    return sorted(others), max(len(left) - len(others), 0)


def _marks(wheel: Path) -> Iterator[tuple[str, str]]:
    """Give each file but RECORD, which follows from the others, with a hash of its name, mode and bytes."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".dist-info/RECORD"):
                continue
            hasher = hashlib.sha256(f"{entry.filename}\0{entry.external_attr:x}\0".encode())
            with archive.open(entry) as stream:
                while block := stream.read(BLOCK):
                    hasher.update(block)
            yield entry.filename, base64.b64encode(hasher.digest()[:_BYTES]).decode()
