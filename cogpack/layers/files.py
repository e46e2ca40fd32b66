"""Files of the project, as layers: the source tree, and weights.

Modes are normal ones (0755 where the owner may execute, else 0644) and the owner is root, so that neither umask nor
checkout changes the image and any user of the container can read it.

Files of one layer that are equal in bytes and mode are stored once: all but the first by path are hard links to it. It
is the bytes that count, since a checkout breaks links. A link has the mode of its file, so a copy that may be run and
one that may not stay two.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

import msgspec
from blake3 import blake3

from cogpack.layers.content import Bytes, Content
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.oci import encode
from cogpack.sizes import BLOCK

_RECIPE = "files"
_LINKED = "files 2"
"""Parts of the key: others whenever the same files would give other entries; `_LINKED` where equal ones are links."""
RECIPES = (_RECIPE, _LINKED)

_AT_ONCE = 1000

LEAST = 1024 * 1024
"""Bytes from which it is worth it to store equal files once."""


class Hashed(Content, Protocol):
    """Is content whose blake3 is known in hex, at the latest when it has been read."""

    @property
    def blake3(self) -> str | None: ...


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Says where in the image a file goes. `ratio`: of a weight, thousandths of it that zstd leaves in a probe."""

    path: str
    content: Hashed
    executable: bool = False
    ratio: int | None = None


def generated(path: str, data: bytes, *, executable: bool = False) -> Placed:
    return Placed(path, Fingerprinted(Bytes(data), blake3(data).hexdigest()), executable)


def read_equal(files: Iterable[Placed], read: Callable[[Placed], object]) -> None:
    """Have those read that may be equal to another and whose bytes nobody knows yet: then `equals` is certain.

    Files of different sizes differ, and most others in the few blocks that are compared first.
    """
    alike: dict[tuple[int, bool], list[Placed]] = {}
    for file in files:
        if file.content.size >= LEAST:
            alike.setdefault((file.content.size, file.executable), []).append(file)
    for group in alike.values():
        if len(group) < 2 or all(file.content.blake3 for file in group):
            continue
        samples = [_sample(file) for file in group]
        seen = Counter(samples)
        for file, sample in zip(group, samples, strict=True):
            if file.content.blake3 is None and (seen[sample] > 1 or seen[None] > (sample is None)):
                read(file)


def _sample(file: Placed) -> str | None:
    """Tell what contents that differ have different ones of; None of what may be anything of its size."""
    known = file.content.blake3
    if known is not None and known.startswith("sha256:"):  # of a server's file, and never a blake3
        return known
    return file.content.sample() if isinstance(file.content, Fingerprinted) else None


def drain(file: Placed, on_bytes: Callable[[int], object] = lambda _: None) -> None:
    """Read all of it, for its hash."""
    with file.content.open() as stream:
        while block := stream.read(BLOCK):
            on_bytes(len(block))


def equals(files: Iterable[Placed]) -> dict[tuple[str, bool], list[Placed]]:
    """Find, by hash and mode, the files that are there more than once and large enough for it, sorted by path."""
    found: dict[tuple[str, bool], list[Placed]] = {}
    large = [file for file in files if file.content.size >= LEAST]
    for file in sorted(large, key=lambda file: file.path):
        if file.content.blake3 is not None:
            found.setdefault((file.content.blake3, file.executable), []).append(file)
    return {key: same for key, same in found.items() if len(same) > 1}


class FilesSource:
    """Gives files as a layer, whose key is known once each has been read, in this run or an earlier one."""

    def __init__(
        self,
        name: str,
        files: Sequence[Placed],
        *,
        directories: Sequence[str] = (),
        symlinks: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self.files = files
        self._directories = directories
        self._symlinks = symlinks

    def key(self) -> str | None:
        if any(file.content.blake3 is None for file in self.files):
            return None
        files = sorted(self.files, key=lambda file: file.path)
        told = ((file.path, file.content.blake3, file.executable) for file in files)
        return key_of_files(told, self._directories, self._symlinks, linked=bool(equals(self.files)))

    def entries(self) -> Iterable[Entry]:
        for path in self._directories:
            yield Directory(path)
        for path, target in self._symlinks:
            yield Symlink(path, target)
        read_equal(self.files, drain)
        twice = {file.path: same for same in equals(self.files).values() for file in same}
        for file in self.files:
            yield stored_once(file, twice.get(file.path))


def key_of_files(
    files: Iterable[tuple[str, str | None, bool]],
    directories: Iterable[str],
    symlinks: Iterable[tuple[str, str]],
    *,
    linked: bool,
) -> str:
    """Name a layer of files: the blake3 of JSON, of which a part is made at a time, since there may be very many.

    `files`: path, blake3 and whether it may be run, sorted by path; `linked`: equal ones are links."""
    digest, between, rest = blake3(b"[%b,[" % encode(_LINKED if linked else _RECIPE)), b"", iter(files)
    while part := list(islice(rest, _AT_ONCE)):
        digest.update(between + encode(part)[1:-1])
        between = b","
    return digest.update(b"],%b,%b]" % (encode(sorted(directories)), encode(sorted(symlinks)))).hexdigest()


def stored_once(file: Placed, same: Sequence[Placed] | None) -> Entry:
    """Make the entry of a file; `same`: all that are equal to it, itself among them, if there are more (`equals`)."""
    mode = 0o755 if file.executable else 0o644
    if same is None:
        return File(file.path, file.content, mode=mode)
    if same[0].path != file.path:
        return HardLink(file.path, same[0].path, mode=mode)
    return File(file.path, _nearest(same), mode=mode)


def _nearest(same: Sequence[Placed]) -> Content:
    """Choose of equal contents the first that is here; else the first."""
    here = (file.content for file in same if isinstance(file.content, Fingerprinted) and file.content.is_here)
    return next(here, same[0].content)
