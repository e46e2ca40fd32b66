"""A walk that follows nothing finds the files of a project that go into its image.

Left out are caches (`caches.py`), what `.dockerignore` says and, whatever it says, what is never part of a model: at
the root `.cog`, `.cogpack`, `cogpack.lock` and the locks of other configs that are there; anywhere `.git`, `.hg`,
`.svn`, `.DS_Store`, `__pycache__`, the caches of mypy, pytest, ruff and Jupyter, virtual environments (`.venv`, and
each directory that holds a `pyvenv.cfg`), what a killed cogpack has left (`is_unfinished`), and, with a note, OCI image
layouts, what the run itself writes, sockets, pipes and devices. A directory in which nothing is kept stays out as well,
as in git: a checkout elsewhere has none.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import TypeAlias

import msgspec

from cogpack.config.model import LOCK, configs_of, is_lock
from cogpack.disk import is_unfinished, open_below, open_regular
from cogpack.encodings import is_utf8
from cogpack.errors import CogpackError, InputError, gone, together
from cogpack.file_stat import Stat, packed
from cogpack.notes import Code, Note
from cogpack.project.caches import Caches
from cogpack.project.ignore import Patterns
from cogpack.project.links import Links
from cogpack.project.rows import Files, ProjectFile

_NEVER_AT_ROOT = frozenset({".cog", ".cogpack", LOCK})
_NEVER = frozenset(
    {".git", ".hg", ".svn", ".DS_Store", "__pycache__", ".venv"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
)
_UNUSUAL = "._"
"""What all of them begin with."""
_LAYOUT = "oci-layout"
"""The file by which an OCI image layout is known (image-spec image-layout.md)."""

_ARCHIVES = (b"layers/0.tar", b"oci-layout")
"""First members of the archives that `sinks/archive` and `sinks/stored` write."""
_PAGE = b'<meta name="generator" content="cogpack">'
"""What `pages/page` writes at its beginning."""

_NAME = attrgetter("name")

_KINDS = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}

_KIND = stat.S_IFMT(0xFFFF)
"""The bits of a mode that tell it."""

Identity: TypeAlias = tuple[int, int]
"""Device and inode."""


class Listing(msgspec.Struct, frozen=True):
    """Is what a walk has found. `files`: parents included; `notes`: of what was left out unasked, but for `caches`."""

    files: Files
    notes: tuple[Note, ...]
    caches: tuple[str, ...]


def list_files(
    root: str, patterns: Patterns, links: Links, caches: Caches, apart: Mapping[Identity, str] = {}
) -> Listing:
    """List all below `root` that goes into the image; directories for the sake of what they hold.

    `apart`: files and directories that this very run writes, with what they are, as "this command's own output"; they
    are left out, and so are OCI image layouts, sockets, pipes and devices. What an image can't hold as it stands here
    is an `InputError`: links that leave the project, names that are not UTF-8 or that mean a deletion in a layer.
    """
    caches.check()
    walk = _Walk(root, patterns, links, caches, apart)
    walk.walk()
    if walk.faults:
        raise together(sorted(walk.faults, key=lambda fault: fault.message))
    parents: set[str] = set()
    for parent in walk.holding:
        while parent and parent not in parents:
            _check_name(parent, parent.rpartition("/")[2])
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    walk.others += (ProjectFile(path=parent, kind="directory") for parent in parents)
    files = Files.found(walk.paths, walk.stats, walk.marks, walk.others)
    return Listing(files, tuple(sorted(walk.notes, key=lambda note: note.text)), tuple(sorted(walk.left_out)))


def holds(root: str, patterns: Patterns, path: str) -> bool:
    """Tell whether `list_files` has the file `path`, told from the directories above it alone: nothing else is looked
    at."""
    return keeps(root, patterns, path) and _is_file(f"{root}/{path}")


def keeps(root: str, patterns: Patterns, path: str) -> bool:
    """Tell whether nothing says that `path` stays out of the image."""
    state, walked = 0, ""
    *directories, _ = parts = path.split("/")
    for depth, name in enumerate(parts):
        walked = f"{walked}/{name}" if walked else name
        if is_never(root, walked):
            return False
        state = patterns.match(walked, state)
        if depth < len(directories) and not _goes_into(root, walked, patterns, state):
            return False
    return not patterns.ignores(state)


def is_never(root: str, path: str) -> bool:
    """Tell whether what is called so stays out, whatever `.dockerignore` says."""
    name = path.rpartition("/")[2]
    at_root = name == path
    named = name in _NEVER or (at_root and (name in _NEVER_AT_ROOT or _is_lock(root, name)))
    return named or (name.startswith(".") and is_unfinished(name))


def _is_lock(root: str, name: str) -> bool:
    """Tell whether it is the lock of another config that is there: a directory or another model's file is none."""
    return is_lock(name) and has_config(root, name) and not os.path.isdir(f"{root}/{name}")  # noqa: PTH112 - of text


def has_config(root: str, lock: str) -> bool:
    """Tell whether the config is there whose lock is called `lock`."""
    return any(_is_file(f"{root}/{name}") or os.path.islink(f"{root}/{name}") for name in configs_of(lock))  # noqa: PTH114


def _goes_into(root: str, directory: str, patterns: Patterns, state: int) -> bool:
    if patterns.ignores(state) and not patterns.may_keep_below(directory):
        return False
    return not os.path.lexists(f"{root}/{directory}/pyvenv.cfg")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


class _Walk:
    def __init__(
        self, root: str, patterns: Patterns, links: Links, caches: Caches, apart: Mapping[Identity, str]
    ) -> None:
        self.paths: list[str] = []
        """Of files; their statuses, and whether they may be executed, lie beside them."""
        self.stats: list[Stat] = []
        self.marks = bytearray()
        self.others: list[ProjectFile] = []
        self.notes: list[Note] = []
        self.left_out: list[str] = []
        """Caches."""
        self.holding: list[str] = []
        """Directories with files that are kept."""
        self.faults: list[InputError] = []
        """Links that can't be kept: of a model's cache there are many."""
        self._root = root
        self._patterns = patterns
        self._links = links
        self._caches = caches
        self._apart = apart
        self._inodes = {inode for _, inode in apart}

    def walk(self) -> None:
        """List the files alone, without the directories that hold them."""
        pending: list[tuple[str, int, Identity | None]] = [("", 0, None)]
        match, is_any = self._patterns.match, bool(self._patterns)  # of very many files each call counts
        while pending:
            directory, above, parent = pending.pop()
            prefix, before, at_root = f"{directory}/" if directory else "", self._count(), not directory
            with _scan(self._root, directory, parent) as (own, entries):
                for entry in entries:
                    name = entry.name
                    is_usual = name[0] not in _UNUSUAL and not at_root
                    path = prefix + name
                    if not is_usual and is_never(self._root, path):
                        continue
                    state = match(path, above) if is_any else 0
                    ignored = is_any and self._patterns.ignores(state)
                    if entry.is_dir(follow_symlinks=False):
                        if self._is_wanted(path, entry, ignored=ignored) and _goes_into(
                            self._root, path, self._patterns, state
                        ):
                            pending.append((path, state, own))
                    elif not ignored:
                        if not (is_usual and path.isascii()):
                            _check_name(path, name)
                        self._take(path, entry)
            if self._count() > before:
                self.holding.append(directory)

    def _count(self) -> int:
        return len(self.paths) + len(self.others)

    def _is_wanted(self, path: str, entry: "os.DirEntry[str]", *, ignored: bool) -> bool:
        """Tell whether a directory is part of the project: no cache, no place of this run's own, nor an image that was
        built."""
        if self._caches.is_own(path) or self._caches.is_tagged(path):
            self.left_out += [] if ignored else [path]
            return False
        own = self._own(path, entry)
        is_layout = own is None and os.path.lexists(f"{self._root}/{path}/{_LAYOUT}")
        if (own or is_layout) and not ignored:
            self.notes.append(Note(Code.OWN_OUTPUT, f"{path}: {own or 'an OCI image layout'}, left out"))
        return not own and not is_layout

    def _own(self, path: str, entry: "os.DirEntry[str]") -> str | None:
        if entry.inode() not in self._inodes:
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            raise _unreadable(path, error) from error
        return self._apart.get((status.st_dev, status.st_ino))

    def _take(self, path: str, entry: "os.DirEntry[str]") -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            raise _unreadable(path, error) from error
        mode = status.st_mode
        if mode & _KIND != stat.S_IFREG:
            if (other := self._other(path, mode)) is not None:
                self.others.append(other)
            return
        if status.st_ino in self._inodes and (own := self._apart.get((status.st_dev, status.st_ino))):
            self.notes.append(Note(Code.OWN_OUTPUT, f"{path}: {own}, left out"))
            return
        # Of pages, those at the top alone: a data set may have very many others, and each would be opened in each run.
        looked_at = path.endswith(".tar") or (path.endswith(".html") and "/" not in path)
        if looked_at and (what := _written_by_us(f"{self._root}/{path}")):
            self.notes.append(Note(Code.OWN_OUTPUT, f"{path}: {what}, left out"))
            return
        self.paths.append(path)
        self.stats.append(packed(status))
        self.marks.append(1 if mode & stat.S_IXUSR else 0)

    def _other(self, path: str, mode: int) -> ProjectFile | None:
        """Take a link; what is no file either is left out."""
        if not stat.S_ISLNK(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "no file")
            self.notes.append(Note(Code.SPECIAL_FILE, f"{path}: {kind}, left out"))
            return None
        if self._caches.leads_there(path):
            return None
        try:
            target = os.readlink(f"{self._root}/{path}")  # noqa: PTH115 - a Path would rewrite it
        except OSError as error:
            raise _unreadable(path, error) from error
        if fault := self._links.fault(path, target):
            self.faults.append(fault)
        return ProjectFile(path=path, kind="symlink", target=target)


def _written_by_us(path: str) -> str | None:
    """Name what it is, if it is an archive as `build` and `pull` write them, or a page as `plan --html` does."""
    try:
        with open_regular(path) as file:
            begin = file.read(200)
    except OSError:  # told when it is read
        return None
    if begin[:100].partition(b"\0")[0] in _ARCHIVES:
        return "an archive of an image"
    return "a page of cogpack" if _PAGE in begin else None


def own_output() -> dict[Identity, str]:
    """Name the files that standard output and error of this process lead to, if they are files."""
    found: dict[Identity, str] = {}
    for descriptor, name in ((2, "standard error"), (1, "standard output")):
        try:
            status = os.fstat(descriptor)
        except OSError:  # closed
            continue
        if stat.S_ISREG(status.st_mode):
            found[status.st_dev, status.st_ino] = f"this command's own {name}"
    return found


@contextmanager
def _scan(root: str, directory: str, parent: Identity | None) -> Iterator[tuple[Identity, "list[os.DirEntry[str]]"]]:
    """Tell which directory it is, and what is in it. It is open meanwhile: who asks for a status names no path from the
    root. `parent`: the one that it was listed in: if it is in another one now, a link to elsewhere may have taken that
    one's place, and it is opened without following any."""
    try:
        descriptor = os.open(f"{root}/{directory}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(directory or ".", error) from error
    try:
        try:
            if parent and _identity(os.stat("..", dir_fd=descriptor)) != parent:
                beneath = open_below(root, directory)  # no link is on the way: so numbers are not kept here
                os.close(descriptor)
                descriptor = beneath
            own = _identity(os.fstat(descriptor))
            with os.scandir(descriptor) as entries:
                found = sorted(entries, key=_NAME)  # few at a time: then all are nearly sorted
        except OSError as error:
            raise _unreadable(directory or ".", error) from error
        yield own, found
    finally:
        os.close(descriptor)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _check_name(path: str, name: str) -> None:
    if not (path.isascii() or is_utf8(path)):
        raise InputError(
            f"{os.fsencode(path)!r}: the name is not UTF-8 text",
            next_step="rename the file, or list it in .dockerignore",
        )
    if name.startswith(".wh."):
        raise InputError(
            f"{path}: a name that begins with .wh. means a deleted file in an image",
            next_step="rename the file, or list it in .dockerignore",
        )


def _unreadable(path: str, error: OSError) -> CogpackError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return gone(path, error.strerror)
    return InputError(f"{path}: {error.strerror or error}", next_step="make it readable, or list it in .dockerignore")
