"""The Python of an image compiles as a guest: a lock may name any program as one, and it has this user's rights.

It sees the layers that it runs over, sources, and nothing of this machine that its rung hides (docs/sandbox.md). What
it leaves is copied out, a plain file for each part, and looked at as any stranger's (`layers/bytecode/packs`).
"""

import os
import secrets
import shutil
import stat
from functools import partial
from pathlib import Path

from cogpack.disk import UNFINISHED, open_regular, writing
from cogpack.errors import InputError
from cogpack.planning.own_python import ENVIRONMENT, OPTIONS, PROGRAM, OwnPython
from cogpack.planning.private_guest import Way
from cogpack.planning.steps.run import PROCESSES
from cogpack.sandbox import standins
from cogpack.sandbox.guest import Command
from cogpack.sandbox.inroot import open_in_tree
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.lay import contents, lay
from cogpack.sandbox.trees.store import StoredTree, Trees
from cogpack.sandbox.watch import Limits
from cogpack.sizes import GiB, MiB

_PLACE, _PROGRAM = "var/tmp/cogpack-bytecode", f"{standins.RUNTIME}/{PROGRAM.name}"
_MOST = 4 * GiB
"""Bytes that one part may come out as."""
_HEARD = 500
"""Bytes of what it says that are kept, the last ones."""


def compile_in_guest(own: OwnPython, way: Way, place: Path, parts: int, release: str) -> tuple[int, str]:
    """Compile what lies in `place`, in so many parts; give the status, and what was said last."""
    runner, lower = way.runner, _laid(own, way)
    above = runner.scratch / f"{UNFINISHED}{secrets.token_hex(8)}"
    runner.cache.used(above)
    said = bytearray()

    def hear(data: bytes) -> None:
        said.extend(data)
        del said[:-_HEARD]

    words = (own.path, *OPTIONS, f"/{_PROGRAM}", f"/{_PLACE}", str(parts), release)
    names = [f"{part}.in" for part in range(parts)]
    files: list[standins.StandIn] = [
        standins.File(_PROGRAM, PROGRAM.read_bytes()),
        *(standins.Copy(f"{_PLACE}/{name}", partial(open_regular, place / name)) for name in names),
    ]
    limits = Limits(seconds=runner.limits.time, size=runner.limits.size, processes=PROCESSES, file_size=_MOST)
    try:
        command = Command(words, ENVIRONMENT)
        status, root = way.run(lower, above, command, hear, files=files, limits=limits)
        if status == 0:
            _take_out(root, place, parts)
        return status, said.decode(errors="replace")
    finally:
        remove_tree(above)


def _laid(own: OwnPython, way: Way) -> StoredTree:
    """Lay what it runs over, which is kept laid."""
    runner = way.runner
    return Trees(runner.cache, runner.seal).get(
        [layer.contents for layer in own.layers],
        owned=way.owned,
        lay=lambda new: lay(
            new,
            [contents(layer) for layer in own.layers],
            owned=way.owned,
            readable=True,
            jobs=runner.jobs,
            cancellation=runner.cancellation,
        ),
    )


def _take_out(root: Path, place: Path, parts: int) -> None:
    """Copy what it left out of the tree, where nothing runs any more."""
    for name in (f"{part}.out" for part in range(parts)):
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            file = os.fdopen(open_in_tree(root, f"{_PLACE}/{name}", flags), "rb")
        except OSError as error:
            raise InputError(f"it left no {name}: {error.strerror}", next_step="take another Python") from error
        with file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST or _has_holes(file.fileno(), found.st_size):
                raise InputError(f"its {name} is no plain file, or too large", next_step="take another Python")
            with writing(place), (place / name).open("xb") as copy:
                shutil.copyfileobj(file, copy, MiB)


def _has_holes(file: int, size: int) -> bool:
    """Tell whether it would take more room as a copy. How many blocks it has tells nothing where a file system
    compresses, or counts them later (ZFS)."""
    found = size > 0 and os.lseek(file, 0, os.SEEK_HOLE) < size
    os.lseek(file, 0, os.SEEK_SET)
    return found
