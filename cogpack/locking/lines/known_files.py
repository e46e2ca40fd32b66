"""What known lines make of files: one after the other they are done, over what the base has, as system calls would.

Links of the base are followed. What would be done to something of the base, to a wheel's file, or can't succeed, is
left to the sandbox.
"""

from collections.abc import Iterable
from typing import NoReturn

import msgspec

from cogpack.layers.entry import Directory, parents
from cogpack.lockfile import LockedPlace, LockedSandboxed
from cogpack.locking.lines.ground import Look
from cogpack.patterns import pattern
from cogpack.run_lines import Clone, Fetch, HubDownload, Link, MakeDirectories, StepEffect, WriteText
from cogpack.run_lines.effects import within
from cogpack.runtime import contract
from cogpack.symlinks import follow

_PYTHON = pattern(r"usr/local/(?:bin/(?:python3?|pip)|lib/python3\.[0-9]+)(?:/.*)?")
"""Where commands that are run find names of the environment (`planning.run_steps`)."""


class KnownFile(msgspec.Struct, frozen=True, kw_only=True):
    """Is a file that a line makes, at `path`, without links and the first slash. `step`: the index of the line; it has
    `text`, or what is fetched from `url`."""

    step: int
    path: str
    mode: int
    text: str = ""
    url: str | None = None


class KnownLink(msgspec.Struct, frozen=True, kw_only=True):
    """Is a symbolic link that a line makes."""

    step: int
    path: str
    target: str


class KnownClone(msgspec.Struct, frozen=True, kw_only=True):
    """Is a repository that a line clones."""

    step: int
    path: str
    effect: Clone


class KnownFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Is what all lines make, by path. `downloads`: from the hub, each with its step, to where that really is;
    `inherited`: directories of the base above it that have another owner or mode than usual."""

    files: tuple[KnownFile, ...] = ()
    links: tuple[KnownLink, ...] = ()
    directories: tuple[str, ...] = ()
    downloads: tuple[tuple[int, HubDownload], ...] = ()
    clones: tuple[KnownClone, ...] = ()
    inherited: tuple[Directory, ...] = ()


class _NotKnownError(Exception):
    """Says why a step is to be run."""


def known_files(effects: Iterable[StepEffect], look: Look) -> KnownFiles | LockedSandboxed:
    """Do all `effects`, or say which step is to be run, and why."""
    tree = _Tree(look)
    for one in effects:
        try:
            match one.effect:
                case Fetch(path=path, mode=mode, url=url, parents=parents_too):
                    tree.fetch(one.step, path, mode, url, parents_too=parents_too)
                case WriteText() as effect:
                    tree.write(one.step, effect)
                case MakeDirectories(paths=paths, parents=parents_too):
                    for path in paths:
                        tree.make_directory(path, parents_too=parents_too)
                case Link() as effect:
                    tree.link(one.step, effect)
                case HubDownload() as effect:
                    tree.download(one.step, effect)
                case Clone() as effect:
                    tree.clone(one.step, effect)
                case _:
                    continue
        except _NotKnownError as why:
            return LockedSandboxed(step=one.step, why=str(why))
    return tree.made()


class _Tree:
    """Is the base, and over it what lines have made so far."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._made: dict[str, KnownFile | KnownLink | KnownClone | None] = {}
        """None stands for a directory."""
        self._downloads: list[tuple[int, HubDownload]] = []
        self._filled: set[str] = set()
        """Directories that downloads from the hub fill."""

    def made(self) -> KnownFiles:
        paths = sorted(self._made)
        above = {parent for path in paths for parent in parents(path)} - self._made.keys()
        places = [place for path in sorted(above) if (place := self._look(path)) is not None]
        return KnownFiles(
            files=tuple(found for path in paths if isinstance(found := self._made[path], KnownFile)),
            links=tuple(found for path in paths if isinstance(found := self._made[path], KnownLink)),
            directories=tuple(path for path in paths if self._made[path] is None),
            downloads=tuple(self._downloads),
            clones=tuple(found for path in paths if isinstance(found := self._made[path], KnownClone)),
            inherited=tuple(
                Directory(place.path, place.mode, place.uid, place.gid)
                for place in places
                if (place.mode, place.uid, place.gid) != (0o755, 0, 0)
            ),
        )

    def fetch(self, step: int, written: str, mode: int, url: str, *, parents_too: bool) -> None:
        path = self._file(written, parents_too=parents_too)
        self._made[path] = KnownFile(step=step, path=path, mode=mode, url=url)

    def write(self, step: int, effect: WriteText) -> None:
        path = self._file(effect.path)
        before, mode, text = self._made.get(path), effect.mode, effect.text
        if effect.append and isinstance(before, KnownFile):
            if before.url is not None:
                _refuse(f"it appends to {effect.path}, which is fetched")
            mode, text = before.mode, before.text + text
        self._made[path] = KnownFile(step=step, path=path, mode=mode, text=text)

    def download(self, step: int, effect: HubDownload) -> None:
        """Find where files of the hub go: into a directory in which nothing is yet but of the hub."""
        path = self._real(effect.directory or effect.cache)
        root = path if effect.directory else f"{path}/{effect.cached_as}"
        if root not in self._filled:
            self._make_parents(root)
            if self._kind(root) == "absent":
                self._make(root)
            elif root not in self._made:
                _refuse(f"the base has a {self._kind(root)} at /{root}")
            elif self._made[root] is not None:
                _refuse(f"a line before makes /{root}")
            if inside := next((made for made in self._made if made.startswith(f"{root}/")), None):
                _refuse(f"a line before makes /{inside}")
            self._filled.add(root)
        place = "directory" if effect.directory else "cache"
        self._downloads.append((step, msgspec.structs.replace(effect, **{place: f"/{path}"})))

    def make_directory(self, written: str, *, parents_too: bool) -> None:
        path = self._real(written)
        if parents_too:
            self._make_parents(path)
        elif self._kind(path) != "absent":
            _refuse(f"{written} is there already")
        if self._kind(path) != "directory":
            self._make(path)

    def link(self, step: int, effect: Link) -> None:
        path = self._real(effect.path, last=False)
        if self._kind(path) == "directory" and effect.inside:
            path = f"{path}/{effect.target.rstrip('/').rpartition('/')[2]}"
        self._check_parent(path)
        self._check_filled(path)
        kind, before = self._kind(path), self._made.get(path)
        if effect.replace and effect.inside and isinstance(before, KnownLink):
            _refuse(f"if /{path} leads to a directory, the link lies in that")
        if kind != "absent" and not (effect.replace and before is not None):
            _refuse(f"there is a {kind} at /{path} already")
        self._made[path] = KnownLink(step=step, path=path, target=effect.target)

    def clone(self, step: int, effect: Clone) -> None:
        path = self._real(effect.directory)
        self._check_filled(path)
        self._make_parents(path)
        if path not in self._made:
            self._make(path)
        if (
            self._made[path] is not None
            or path in self._filled
            or any(within(other, path) for other in self._made if other != path)
        ):
            _refuse(f"there is something at {effect.directory} already")
        self._made[path] = KnownClone(step=step, path=path, effect=effect)

    def _file(self, written: str, *, parents_too: bool = False) -> str:
        """Find where a file is written, that is not there or that a line before has made."""
        path = self._real(written)
        if parents_too and "/" in path:
            self._make_parents(path)
        self._check_parent(path)
        self._check_filled(path)
        kind = self._kind(path)
        if kind != "absent" and not isinstance(self._made.get(path), KnownFile):
            _refuse(f"the base has a {kind} at /{path}" if path not in self._made else f"/{path} is a {kind}")
        return path

    def _real(self, written: str, *, last: bool = True) -> str:
        path = follow(written, self._target, last=last)
        if not path:
            _refuse(f"{written} can't be followed")
        for root in ("dev", "proc", "run", "sys"):
            if within(path, root):
                _refuse(f"{written} is /{path}, which is no part of an image")
        for root in ("tmp", "var/tmp"):
            if within(path, root):
                _refuse(f"what is left in /{root} is no part of an image")
        if within(path, contract.SOURCE):
            _refuse(f"{written} is /{path}, where the project comes")
        if within(path, contract.VENV):
            _refuse(f"wheels lie in /{contract.VENV}")
        if _PYTHON.fullmatch(path):
            _refuse(f"/{path} is a name of the environment, or below one")
        return path

    def _target(self, path: str) -> str | None:
        if path in self._made:
            found = self._made[path]
            return found.target if isinstance(found, KnownLink) else None
        place = self._looked(path)
        return place.target if place.kind == "symlink" else None

    def _kind(self, path: str) -> str:
        if path in self._made:
            found = self._made[path]
            if found is None or isinstance(found, KnownClone):
                return "directory"
            return "symlink" if isinstance(found, KnownLink) else "file"
        return self._looked(path).kind

    def _looked(self, path: str) -> LockedPlace:
        if clone := next((above for above in parents(path) if isinstance(self._made.get(above), KnownClone)), None):
            _refuse(f"/{path} lies in a clone, /{clone}")
        if (place := self._look(path)) is None:
            _refuse(f"a Debian package may have something at /{path}")
        return place

    def _check_parent(self, path: str) -> None:
        """Refuse what can't be made in its directory, or would not be root's there."""
        above = path.rpartition("/")[0]
        if above and self._kind(above) != "directory":
            _refuse(f"no known line before it has made the directory /{above}")
        if above and above not in self._made and (place := self._look(above)) is not None and place.mode & 0o2000:
            _refuse(f"what is made in /{above} belongs to its group")

    def _check_filled(self, path: str) -> None:
        """Refuse what lies among files of the hub, which one of them may be."""
        if any(above in self._filled for above in parents(path)):
            _refuse(f"/{path} lies among files that a line before downloads from the hub")

    def _make_parents(self, path: str) -> None:
        for above in parents(path):
            if self._kind(above) == "absent":
                self._make(above)

    def _make(self, path: str) -> None:
        self._check_parent(path)
        self._check_filled(path)
        if (kind := self._kind(path)) != "absent":
            _refuse(f"there is a {kind} at /{path}")
        self._made[path] = None


def _refuse(why: str) -> NoReturn:
    raise _NotKnownError(why)
