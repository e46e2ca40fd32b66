"""The files of a project that go into its image: a walk that follows nothing.

Left out are what `.dockerignore` says and, whatever it says, what is never part of a model: at the root `.cog`,
`.cogpack` and `cogpack.lock`; anywhere `.git`, `.hg`, `.svn`, `.DS_Store`, `__pycache__`, the caches of mypy, pytest,
ruff and Jupyter, and virtual environments (`.venv`, and each directory that holds a `pyvenv.cfg`).
"""

import os
import stat
from collections.abc import Iterator
from typing import Literal

import msgspec

from cogpack.errors import InputError
from cogpack.project.ignore import Patterns
from cogpack.project.lfs import LfsPointer

_NEVER_AT_ROOT = frozenset({".cog", ".cogpack", "cogpack.lock"})
_NEVER = frozenset(
    {".git", ".hg", ".svn", ".DS_Store", "__pycache__", ".venv"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
)
_LINKS = 40
"""Links followed in a row before it is a loop, as in Linux."""


class ProjectFile(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is relative POSIX text; `size` (bytes) and `executable` (by its owner) are of files, `target` of links.

    `pointer`: of a weight that git-lfs has not fetched; `size` is then that of the file that should be there.
    """

    path: str
    kind: Literal["file", "symlink", "directory"]
    executable: bool = False
    size: int = 0
    target: str | None = None
    pointer: LfsPointer | None = None


def list_files(root: str, patterns: Patterns) -> list[ProjectFile]:
    """All below `root`, parents included, sorted by the UTF-8 bytes of the paths.

    What an image can't hold as it stands here is an `InputError`: links that leave the project, sockets, pipes,
    devices, names that are not UTF-8 or that mean a deletion in a layer.
    """
    found = {file.path: file for file in _walk(root, patterns)}
    for path in list(found):
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            _check_name(parent, parent.rpartition("/")[2])
            found[parent] = ProjectFile(path=parent, kind="directory")
            parent = parent.rpartition("/")[0]
    return sorted(found.values(), key=lambda file: file.path.encode())


def holds(root: str, patterns: Patterns, path: str) -> bool:
    """Whether `list_files` has the file `path`, told from the directories above it alone: nothing else is looked at."""
    state, walked = 0, ""
    *directories, _ = parts = path.split("/")
    for depth, name in enumerate(parts):
        walked = f"{walked}/{name}" if walked else name
        if _is_never(name, at_root=depth == 0):
            return False
        state = patterns.match(walked, state)
        if depth < len(directories) and not _goes_into(root, walked, patterns, state):
            return False
    return not patterns.ignores(state) and _is_file(f"{root}/{path}")


def _is_never(name: str, *, at_root: bool) -> bool:
    return name in _NEVER or (at_root and name in _NEVER_AT_ROOT)


def _goes_into(root: str, directory: str, patterns: Patterns, state: int) -> bool:
    if patterns.ignores(state) and not patterns.may_keep_below(directory):
        return False
    return not os.path.lexists(f"{root}/{directory}/pyvenv.cfg")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _walk(root: str, patterns: Patterns) -> Iterator[ProjectFile]:
    pending = [("", 0)]
    while pending:
        directory, above = pending.pop()
        for entry in _scan(root, directory):
            path = f"{directory}/{entry.name}" if directory else entry.name
            if _is_never(entry.name, at_root=not directory):
                continue
            state = patterns.match(path, above)
            ignored = patterns.ignores(state)
            is_directory = entry.is_dir(follow_symlinks=False)
            if is_directory and _goes_into(root, path, patterns, state):
                pending.append((path, state))
            elif is_directory and not ignored:  # a virtual environment
                continue
            if not ignored:
                _check_name(path, entry.name)
                yield ProjectFile(path=path, kind="directory") if is_directory else _file(root, path, entry)


def _scan(root: str, directory: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(f"{root}/{directory}") as entries:
            return list(entries)
    except OSError as error:
        raise _unreadable(directory or ".", error) from error


def _check_name(path: str, name: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{os.fsencode(path)!r}: the name is not UTF-8 text",
            next_step="rename the file, or list it in .dockerignore",
        ) from None
    if name.startswith(".wh."):
        raise InputError(
            f"{path}: a name that begins with .wh. means a deleted file in an image",
            next_step="rename the file, or list it in .dockerignore",
        )


def _file(root: str, path: str, entry: "os.DirEntry[str]") -> ProjectFile:
    try:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            return ProjectFile(
                path=path, kind="file", executable=bool(status.st_mode & stat.S_IXUSR), size=status.st_size
            )
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(f"{root}/{path}")  # noqa: PTH115 - a Path would rewrite it
            _check_link(root, path, target)
            return ProjectFile(path=path, kind="symlink", target=target)
    except OSError as error:
        raise _unreadable(path, error) from error
    raise InputError(
        f"{path}: neither a file, a directory nor a symbolic link", next_step="delete it, or list it in .dockerignore"
    )


def _check_link(root: str, path: str, target: str) -> None:
    try:
        target.encode()
    except UnicodeEncodeError:
        raise InputError(f"{path}: the link's target is not UTF-8 text", next_step="make the link anew") from None
    if link_leaves(root, path.rpartition("/")[0], target):
        raise InputError(
            f"{path}: a symbolic link to {target}, which leaves the project",
            next_step="put the files themselves into the project, or list the link in .dockerignore",
        )


def link_leaves(root: str, directory: str, target: str) -> bool:
    """Whether following `target` from `directory` (relative to `root`) leaves `root` at any step.

    Links on the way are followed too: the image has the project at another place, so even a way that comes back in
    through the project's own name on this machine would lead elsewhere.
    """
    if target.startswith("/"):
        return True
    place, pending, links = [part for part in directory.split("/") if part], target.split("/"), 0
    while pending:
        part = pending.pop(0)
        if part == "..":
            if not place:
                return True
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            try:
                further = os.readlink("/".join([root, *place]))  # noqa: PTH115
            except OSError:  # no link, or nothing there
                continue
            links += 1
            if further.startswith("/"):
                return True
            if links > _LINKS:
                return False  # a loop: it leads nowhere, but nowhere outside
            place.pop()
            pending = further.split("/") + pending
    return False


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(f"{path}: {error.strerror or error}", next_step="make it readable, or list it in .dockerignore")
