"""Repositories that requirements name: which commit, and its files, as git writes them into a working tree.

Of its history a source may ask git for its version. No build has a git or a server to ask: so that is looked up when
the commit is pinned, and written where `git archive` would write it (`.git_archival.txt`, which setuptools_scm reads).
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from cogpack.disk import writing
from cogpack.errors import InputError, MismatchError
from cogpack.git.mirror import Mirrors, pack_of, resolve
from cogpack.git.objects import EXECUTABLE, GITLINK, SYMLINK, TREE, Commit, NotExactError, TreeEntry, parse_commit
from cogpack.git.program import Git, NoDepthError
from cogpack.git.reader import Objects
from cogpack.git.submodules import read_submodules
from cogpack.git.trees import files_of, find, link_target, read_history, tree_of
from cogpack.lockfile import GitSource
from cogpack.project.lfs import LfsPointer, lfs_pointer
from cogpack.requirements.model import GitAddress

ARCHIVAL = ".git_archival.txt"
_ASKS_GIT = re.compile(rb"setuptools[_-]scm|hatch[_-]vcs|flit[_-]scm|use_scm_version|\[tool\.pdm\.version\]")
_TELLS_HOW = ("pyproject.toml", "setup.py", "setup.cfg")
_WHOLE = re.compile(r"[0-9a-f]{40}")
_MOST_COMMITS = 200_000
_TAGS_TRIED = 10
"""As many as `git describe` weighs (git-describe(1), `--candidates`)."""
_SHORT = 9
"""Digits of a commit's name that are said of it."""
_DEEPEST = 8
"""Submodules within submodules."""
_LATEST = 253402300799
"""The last second with a year of four digits: commits may say any time."""


LargeFiles: TypeAlias = Callable[[str, Iterable[LfsPointer]], Mapping[LfsPointer, Path]]
"""Gives those files of a repository that git-lfs keeps, as far as they are to be had."""


class Repositories:
    """Pins and writes out repositories of one run."""

    def __init__(self, git: Git, mirrors: Mirrors, large_files: LargeFiles) -> None:
        self._git = git
        self._mirrors = mirrors
        self._large_files = large_files

    def pin(self, address: GitAddress, *, editable: bool) -> GitSource:
        """Say which commit is meant now."""
        commit = self._commit(address)
        return GitSource(
            url=address.bare,
            commit=commit,
            requested=address.revision,
            subdirectory=address.subdirectory or None,
            clone=address.clone or None,
            editable=editable,
            describe=self._described(address.bare, commit, address.subdirectory),
        )

    def _commit(self, address: GitAddress) -> str:
        wanted = address.revision
        if _WHOLE.fullmatch(wanted):
            return wanted
        found = self._mirrors.refs(address.bare).named(wanted)
        if found is None and wanted:
            found = resolve(self._git, self._mirrors.everything(address.bare), wanted)
        if found is None:
            what = f"no commit, tag or branch {wanted}" if wanted else "no branch that HEAD is on"
            raise InputError(f"{address.bare}: it has {what}", next_step="correct what follows the @")
        return found

    def pack(self, pin: GitSource) -> Iterator[bytes]:
        """Give a pack of a pinned commit, without its history, where the server can leave that out."""
        return pack_of(self._git, self._place(pin.url, pin.commit), [pin.commit])

    def write(self, pin: GitSource, into: Path) -> None:
        """Write the files of a pinned commit, and of its submodules, below `into`, which is empty."""
        self._write(pin.url, pin.commit, into, 0)
        if pin.describe:
            time = parse_commit(self._objects(pin.url, pin.commit).read(pin.commit, "commit")).time
            top = os.path.realpath(into)
            for place in dict.fromkeys((into, into / (pin.subdirectory or ""))):
                if Path(os.path.realpath(place)).is_relative_to(top) and place.is_dir():
                    _write_archival(place / ARCHIVAL, pin, time)

    def _objects(self, url: str, commit: str) -> Objects:
        return Objects(self._git, self._place(url, commit))

    def _place(self, url: str, commit: str) -> Path:
        try:
            return self._mirrors.directory(url, [commit], 1)
        except (MismatchError, NoDepthError):  # an older server gives only what it advertises, with its history
            return self._mirrors.directory(url, [commit])

    def _write(self, url: str, commit: str, into: Path, deep: int) -> None:
        objects = self._objects(url, commit)
        try:
            entries = dict(files_of(objects, commit))
        except NotExactError as error:
            raise _unlike(url, commit, error) from None
        plain = [(path, entry) for path, entry in entries.items() if entry.mode not in (GITLINK, SYMLINK)]
        read = objects.read_all([entry.oid for _, entry in plain], "blob")
        with writing(into):
            into.mkdir(parents=True, exist_ok=True)
            pointers: dict[Path, LfsPointer] = {}
            for (path, entry), (_, data) in zip(plain, read, strict=True):
                _write_file(into / path, data, executable=entry.mode == EXECUTABLE)
                if (pointer := lfs_pointer(data)) is not None:
                    pointers[into / path] = pointer
            large = self._large_files(url, pointers.values()) if pointers else {}
            for place, pointer in pointers.items():
                if pointer in large:
                    shutil.copyfile(large[pointer], place)
            for path, entry in entries.items():
                if entry.mode == SYMLINK:
                    place = into / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(link_target(objects.read(entry.oid, "blob")))
        modules = {path: entry.oid for path, entry in entries.items() if entry.mode == GITLINK}
        if modules and deep == _DEEPEST:
            raise _unlike(url, commit, NotExactError(f"submodules in submodules, more than {_DEEPEST} deep"))
        for path, oid in modules.items():
            self._write(self._module(url, commit, entries, path), oid, into / path, deep + 1)

    def _module(self, url: str, commit: str, entries: dict[str, TreeEntry], path: str) -> str:
        """Give the address of a submodule."""
        said = entries.get(".gitmodules")
        try:
            found = read_submodules(self._git, self._place(url, commit), said.oid, url) if said else []
        except NotExactError as error:
            raise _unlike(url, commit, error) from None
        for module in found:
            if module.path == path:
                return module.url
        raise _unlike(url, commit, NotExactError(f".gitmodules does not name its submodule {path!r}"))

    def _described(self, url: str, commit: str, subdirectory: str) -> str:
        """Give what `git describe --long` says of a commit, if its sources ask for that, else ""."""
        objects = self._objects(url, commit)
        try:
            tree = tree_of(objects, commit)
            above = f"{subdirectory}/" if subdirectory else ""
            told = [find(objects, tree, path) for name in _TELLS_HOW for path in dict.fromkeys((name, above + name))]
            oids = [entry.oid for entry in told if entry is not None and entry.mode not in (SYMLINK, GITLINK, TREE)]
            if not any(_ASKS_GIT.search(data) for _, data in objects.read_all(oids, "blob")):
                return ""
            return self._describe(url, commit)
        except NotExactError as error:
            raise _unlike(url, commit, error) from None

    def _describe(self, url: str, commit: str) -> str:
        refs = self._mirrors.refs(url)
        with self._mirrors.objects(url, [commit]) as objects:
            commits = read_history(objects, commit, 0, most=_MOST_COMMITS).commits
        tags: dict[str, str] = {}
        for name in sorted(refs.tags, key=lambda name: (name not in refs.peeled, name)):
            if re.search("[0-9]", name):
                tags.setdefault(refs.target(name), name)
        short = commit[:_SHORT]
        found = [(len(commits) - _reach(commits, oid), name) for oid, name in _nearest(commits, tags)]
        if not found:
            return f"0.0-{len(commits)}-g{short}"  # setuptools_scm counts from there
        distance, name = min(found, key=lambda one: one[0])
        return f"{name}-{distance}-g{short}"


def _nearest(commits: Mapping[str, Commit], tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give the tags that are weighed: the youngest commits' (git-describe(1), `--candidates`)."""
    yield from islice(((oid, tags[oid]) for oid in commits if oid in tags), _TAGS_TRIED)


def _reach(commits: Mapping[str, Commit], start: str) -> int:
    """Count a commit and its ancestors."""
    seen, waiting = {start}, [start]
    while waiting:
        new = [oid for oid in commits[waiting.pop()].parents if oid not in seen]
        seen.update(new)
        waiting += new
    return len(seen)


def _unlike(url: str, commit: str, error: NotExactError) -> InputError:
    return InputError(
        f"{url}: commit {commit[:12]} can't be written out: {error.reason}",
        next_step="build a wheel of it (pip wheel --no-deps), put it into the project and name it: ./wheels/NAME.whl",
    )


def _write_file(place: Path, data: bytes, *, executable: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as output:
        output.write(data)
    place.chmod(0o755 if executable else 0o644)


def _write_archival(place: Path, pin: GitSource, time: int) -> None:
    """Write the file that `git archive` makes of one with placeholders; one that says something else stays."""
    with writing(place):
        if place.is_symlink() or (place.exists() and b"$Format" not in place.read_bytes()):
            return
        place.unlink(missing_ok=True)
        date = datetime.fromtimestamp(min(max(time, 0), _LATEST), UTC).isoformat()
        place.write_text(f"node: {pin.commit}\nnode-date: {date}\ndescribe-name: {pin.describe}\nref-names: \n")
