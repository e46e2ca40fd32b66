"""What goes into a layer: entries of a file tree.

Paths are relative POSIX text without `./` or a trailing slash ("usr/bin/env"); the root itself is never an entry.
There is no time: every entry of every layer carries one epoch (see `layers/tar.py`).
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, TypeAlias

import msgspec

from cogpack.encodings import is_utf8
from cogpack.errors import InputError
from cogpack.layers.content import AtOnce, Content


class Directory(msgspec.Struct, frozen=True):
    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


class File(msgspec.Struct, frozen=True):
    path: str
    content: Content
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Symlink(msgspec.Struct, frozen=True):
    path: str
    target: str
    uid: int = 0
    gid: int = 0


class HardLink(msgspec.Struct, frozen=True):
    """Names a `File` of the same layer again, whose path `target` sorts before this one.

    Owner and mode repeat the file's: engines set them on the link too, which is to say on the file.
    """

    path: str
    target: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


class Fifo(msgspec.Struct, frozen=True):
    path: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


class Whiteout(msgspec.Struct, frozen=True):
    """Hides what lower layers have at `path` (image-spec layer.md, "Whiteouts")."""

    path: str

    @property
    def member(self) -> str:
        """The path of the empty file that says so."""
        above, slash, name = self.path.rpartition("/")
        return f"{above}{slash}{WHITEOUT}{name}"


Entry: TypeAlias = Directory | File | Symlink | HardLink | Fifo | Whiteout

WHITEOUT = ".wh."
"""What names begin with that mean deletion."""
OPAQUE = f"{WHITEOUT}{WHITEOUT}.opq"
"""The name that means deletion of all that lower layers have in a directory."""


class Members(AtOnce, ABC):
    """Is small files in a row, of which there may be very many, as whole members of a tar: content with their headers
    and paddings. `path`: of the first of them."""

    __slots__ = ()
    path: str

    @property
    @abstractmethod
    def size(self) -> int: ...

    @abstractmethod
    def at_once(self) -> bytes: ...

    def open(self) -> BinaryIO:
        return io.BytesIO(self.at_once())


class Complete(list[Entry]):
    """Holds the entries of a whole layer: sorted, with all parents."""


class Streamed:
    """Gives the entries of a layer that may have very many files, which are never all in memory.

    `few`: directories, links and what else there is, with the files that hard links among them lead to; `many`: makes
    the other files anew, sorted by the UTF-8 bytes of their paths. These are as they lie on a disk: each path is one
    that a layer may have, of one file, and all directories above it are among `few`. `runs`: makes them with most of
    them together, but never those before one of the sorted paths that it is told with those behind it.
    """

    def __init__(
        self,
        few: Iterable[Entry],
        many: Callable[[], Iterator[Entry]],
        runs: Callable[[Iterable[str]], Iterator[Entry | Members]],
    ) -> None:
        self.few = few
        self.many = many
        self.runs = runs

    def __iter__(self) -> Iterator[Entry]:
        yield from self.few
        yield from self.many()


def parents(path: str) -> Iterator[str]:
    """Give the directories above `path`, outermost first."""
    end = path.find("/")
    while end != -1:
        yield path[:end]
        end = path.find("/", end + 1)


def complete(entries: Iterable[Entry], ground: Mapping[str, Directory], *, any_bytes: bool = False) -> Complete:
    """Sort by UTF-8 bytes, add the missing parents, refuse what can't be one layer.

    `ground` holds directories of lower layers whose owner or mode is not the usual root 0755: a parent written again
    must repeat them, or this layer would change them (image-spec layer.md, "Applying Changesets"). With `any_bytes`
    names need not be UTF-8 (their other bytes are surrogates, PEP 383): for what programs made, and nobody can rename.
    """
    if isinstance(entries, Complete):
        return entries
    found: dict[str, Entry] = {}
    for entry in entries:
        _check_path(entry.path, any_bytes=any_bytes)
        if isinstance(entry, Symlink):
            _check_target(entry, any_bytes=any_bytes)
        member = entry.member if isinstance(entry, Whiteout) else entry.path
        if (other := found.setdefault(member, entry)) is not entry and other != entry:
            raise InputError(
                f"/{entry.path}: two different files of one layer have this path",
                next_step="remove one of the packages that hold it",
            )
    walked: set[str] = set()
    """Directories whose own parents have been looked at."""
    for path in list(found):
        directory = path.rpartition("/")[0]
        above_all = () if directory in walked else parents(path)
        walked.add(directory)
        for parent in above_all:
            above = found.get(parent)
            if above is None:
                found[parent] = ground.get(parent) or Directory(parent)
            elif not isinstance(above, Directory):
                raise InputError(
                    f"/{path}: lies beneath /{parent}, which is no directory", next_step="remove one of the two"
                )
        entry = found[path]
        if isinstance(entry, HardLink):
            _check_hard_link(entry, found.get(entry.target))
    # Code point order of text is byte order of its UTF-8.
    return Complete(found[path] for path in sorted(found))


def ordered(entries: Iterable[Entry], ground: Mapping[str, Directory]) -> Iterable[Entry | Members]:
    """Do what `complete` does, without having all of what is `Streamed`."""
    if not isinstance(entries, Streamed):
        return complete(entries, ground)
    few = complete(entries.few, ground)
    return _joined(few, entries.runs([entry.path for entry in few]))


def _joined(few: Complete, many: Iterator[Entry | Members]) -> Iterator[Entry | Members]:
    rest = iter(few)
    following = next(rest, None)
    for entry in many:
        while following is not None and following.path < entry.path:
            yield following
            following = next(rest, None)
        yield entry
    if following is not None:
        yield following
        yield from rest


def _check_path(path: str, *, any_bytes: bool) -> None:
    if not (path.isascii() or any_bytes or is_utf8(path)):
        raise InputError(f"{path!a}: the name is not UTF-8", next_step="rename the file")
    if not (
        "/." in path or "//" in path or "\0" in path or path.startswith(("/", ".")) or path.endswith("/") or not path
    ):
        return  # of very many, most
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise InputError(f"{path!r}: not a relative path of plain names", next_step="rename or remove the file")
    if any(part.startswith(WHITEOUT) for part in parts):
        raise InputError(
            f"/{path}: names that begin with .wh. mean deletion in image layers", next_step="rename the file"
        )


def _check_target(link: Symlink, *, any_bytes: bool) -> None:
    if not link.target or "\0" in link.target or not (any_bytes or is_utf8(link.target)):
        raise InputError(f"/{link.path}: a symbolic link to {link.target!a}", next_step="make the link anew")


def _check_hard_link(link: HardLink, target: Entry | None) -> None:
    if not isinstance(target, File) or target.path >= link.path:
        why = "which is no earlier file of the layer"
    elif (link.mode, link.uid, link.gid) != (target.mode, target.uid, target.gid):
        why = "which has another mode or owner"
    else:
        return
    raise InputError(f"/{link.path}: a hard link to /{link.target}, {why}", next_step="make it a file of its own")
