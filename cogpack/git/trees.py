"""What a commit leads to: its ancestors, and the files of its tree."""

from collections.abc import Collection, Iterator

import msgspec

from cogpack.git.objects import (
    TREE,
    Commit,
    NotExactError,
    TreeEntry,
    checked_entries,
    is_special_link,
    parse_commit,
)
from cogpack.git.reader import Objects


class History(msgspec.Struct, frozen=True):
    """Holds commits by their names, newest first, and those of them whose parents stay away (gitformat-shallow(5))."""

    commits: dict[str, Commit]
    shallow: tuple[str, ...]


def read_history(objects: Objects, commit: str, depth: int, *, most: int | None = None) -> History:
    """Walk from `commit`, `depth` commits deep, 0 for all; more than `most` are `NotExactError`."""
    found: dict[str, Commit] = {}
    waiting, level = [commit], 1
    shallow: Collection[str] = ()
    while waiting:
        for oid, data in objects.read_all(waiting, "commit"):
            found[oid] = parse_commit(data)
        if most is not None and len(found) > most:
            raise NotExactError(f"its history has more than {most} commits")
        if level == depth:
            shallow = waiting
            break
        parents = (parent for oid in waiting for parent in found[oid].parents)
        waiting = [oid for oid in dict.fromkeys(parents) if oid not in found]
        level += 1
    newest = sorted(found, key=lambda oid: (-found[oid].time, oid))
    return History({oid: found[oid] for oid in newest}, tuple(sorted(shallow)))


def files_of(objects: Objects, commit: str) -> Iterator[tuple[str, TreeEntry]]:
    """Give by path what a commit's working tree has, but for directories; what can't be laid is `NotExactError`."""
    waiting = [("", tree_of(objects, commit))]
    while waiting:
        below: list[tuple[str, str]] = []
        trees = objects.read_all([oid for _, oid in waiting], "tree")
        for (above, _), (_, data) in zip(waiting, trees, strict=True):
            for entry in checked_entries(data):
                path = above + entry.name.decode()
                if is_special_link(entry):
                    raise NotExactError(f"{path!r} is a link, which git reads or not, by its version")
                if entry.mode == TREE:
                    below.append((f"{path}/", entry.oid))
                else:
                    yield path, entry
        waiting = below


def tree_of(objects: Objects, commit: str) -> str:
    return parse_commit(objects.read(commit, "commit")).tree


def find(objects: Objects, tree: str, path: str) -> TreeEntry | None:
    """Find what a tree has at `path`."""
    above, _, name = path.rpartition("/")
    if above:
        entry = find(objects, tree, above)
        if entry is None or entry.mode != TREE:
            return None
        tree = entry.oid
    wanted = name.encode()
    return next((entry for entry in checked_entries(objects.read(tree, "tree")) if entry.name == wanted), None)


def link_target(data: bytes) -> str:
    """Read where a link leads."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text:
        raise NotExactError(f"it has a link to {data[:100]!r}")
    return text
