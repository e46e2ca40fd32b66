"""Directories of a project that are packages of their own: which files they are, told by a digest, and a copy of them.

What `.dockerignore` leaves out is no part of them, as it is none of the image. A build writes into its source: so it is
given a copy, and the checkout stays as it is.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cogpack.disk import open_regular, reading, writing
from cogpack.errors import InputError
from cogpack.project.rows import ProjectFile
from cogpack.requirements.model import LocalPath, SourceLine
from cogpack.sizes import BLOCK

_TELLS_OF_ITSELF = re.compile(r"[^/]+|(?:[^/]+/){1,3}(?:__init__|_*version_*|__about__|_*meta(?:data)?_*)\.py")
"""Files of which the metadata of a package is made: those at its top, and where versions are kept."""


def below(root: Path, files: Iterable[ProjectFile], line: SourceLine) -> list[tuple[str, ProjectFile]]:
    """Give the files of the directory that `line` names, each with its path in it."""
    assert isinstance(line.source, LocalPath)
    directory = line.source.path
    start = f"{directory}/"
    if found := [(file.path.removeprefix(start), file) for file in files if file.path.startswith(start)]:
        return found
    if os.path.lexists(root / directory):
        raise InputError(
            f"{line.place}: ./{directory}: .dockerignore leaves nothing of it",
            next_step=f"add the line !{directory} at the end of .dockerignore",
        )
    raise InputError(f"{line.place}: ./{directory}: there is no such directory", next_step="correct the path")


def tree_digest(root: Path, files: Iterable[tuple[str, ProjectFile]], *, editable: bool = False) -> str:
    """Tell files apart from all others. `editable`: only those of which their package's metadata is made, since the
    rest is used where it lies."""
    digest = hashlib.sha256()
    for path, file in files:
        if file.kind == "directory" or (editable and not _TELLS_OF_ITSELF.fullmatch(path)):
            continue
        digest.update(f"{path}\0{file.kind}\0{'x' if file.executable else ''}\0{file.target or ''}\0".encode())
        if file.kind == "file":
            content = hashlib.sha256()
            for block in _blocks(root, file):
                content.update(block)
            digest.update(content.digest())
    return f"sha256:{digest.hexdigest()}"


def copy_tree(root: Path, files: Iterable[tuple[str, ProjectFile]], into: Path) -> None:
    """Write the files below `into`, which is empty: with the modes that they have in the image, and links as links."""
    for path, file in files:
        place = into / path
        with writing(place):
            if file.kind == "directory":
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if file.kind == "symlink":
                place.symlink_to(file.target or "")
                continue
            with place.open("xb") as output:
                for block in _blocks(root, file):
                    output.write(block)
            place.chmod(0o755 if file.executable else 0o644)


def _blocks(root: Path, file: ProjectFile) -> Iterator[bytes]:
    with reading(file.path, "make it readable"), open_regular(os.path.join(root, file.path)) as opened:  # noqa: PTH118
        while block := opened.read(BLOCK):
            yield block
