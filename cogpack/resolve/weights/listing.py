"""What a server lists is checked and chosen from here: nothing that it says is believed before."""

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from cogpack.config import WeightSource
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.remote import RemoteFile

LISTED = 100_000
"""Files of one source, wanted or not."""

_PAGES = 1000
"""Answers that one listing may take, empty ones too."""

MAX_DIGITS = 18
"""Of a size in bytes."""


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a file of a source. `path`: below the weight's target; `file`: what the server calls it.

    `revision`: names these bytes and no others, for whoever reads them later; `sha256`: where the server says it.
    """

    path: str
    file: str
    size: int
    revision: str | None = None
    sha256: Digest | None = None


class WeightServer(Protocol):
    """Answers for one kind of source. One object serves a whole command, and many threads."""

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        """List the files that `include` and `exclude` leave, sorted by path.

        `kept`: the revisions that are pinned, by `file`; they are found again where the server still has them.
        """
        ...

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        """Make a file that was found ready to be read by ranges."""
        ...


def choose(source: WeightSource, listed: Iterable[FoundFile]) -> list[FoundFile]:
    """Take what `include` and `exclude` leave of a listing, sorted by path; what can't be a directory is refused."""
    count = 0
    chosen: dict[str, FoundFile] = {}
    for file in listed:
        count += 1
        if count > LISTED:
            raise InputError(
                f"{source.uri}: lists more than {LISTED} files", next_step="name the directory that is meant"
            )
        if not wanted(source, file.path):
            continue
        if not _is_path(file.path):
            raise InputError(f"{source.uri}: names the file {file.path!r:.200}", next_step="exclude it")
        if file.path in chosen:
            raise InputError(f"{source.uri}: lists {file.path!r:.200} twice", next_step="exclude it")
        chosen[file.path] = file
    for path in chosen:
        parent = path
        while parent := parent.rpartition("/")[0]:
            if parent in chosen:
                raise InputError(
                    f"{source.uri}: {parent!r:.200} is a file and the directory of another",
                    next_step="exclude one of the two",
                )
    if not chosen:
        raise InputError(f"{source.uri}: no file is left of {count}", next_step="correct include and exclude")
    return [chosen[path] for path in sorted(chosen)]


class ListedObject(msgspec.Struct, frozen=True):
    """Describes an object of a bucket, by its whole name."""

    name: str
    size: int
    revision: str | None = None


def below(where: str, prefix: str, read: Callable[[str], tuple[Sequence[ListedObject], str]]) -> Iterator[FoundFile]:
    """Give the files of a bucket whose names begin with `prefix`; what stands for an empty folder is left out.

    `read`: the page that a token names (the first: ""), and the next page's token ("": there is none).
    """
    token = ""
    for _ in range(_PAGES):
        objects, token = read(token)
        for found in objects:
            if not found.name.startswith(prefix):
                raise InputError(f"{where}: lists {found.name!r:.200}", next_step="tell the server's operator")
            if not found.name.endswith("/"):
                path = found.name.removeprefix(prefix)
                yield FoundFile(path=path, file=found.name, size=found.size, revision=found.revision)
        if not token:
            return
    raise InputError(f"{where}: its listing does not end", next_step="tell the server's operator")


def wanted(source: WeightSource, path: str) -> bool:
    """Tell whether the source's globs take `path`, matched as the hub's own tools do: a `*` crosses slashes."""

    def matches(globs: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(path, glob + "*" if glob.endswith("/") else glob) for glob in globs)

    return (not source.include or matches(source.include)) and not matches(source.exclude)


def _is_path(path: str) -> bool:
    """Tell whether it is relative, and something that every file system of Linux takes."""
    try:
        parts = path.encode().split(b"/")
    except UnicodeEncodeError:
        return False
    return b"\0" not in path.encode() and not {b"", b".", b".."} & set(parts) and max(map(len, parts)) <= 255
