"""A command is read at a site: where its line begins, and what the known commands before it have made."""

import posixpath
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, TypeVar

import msgspec

from cogpack.run_lines.arguments import NotKnownError
from cogpack.run_lines.effects import (
    Clone,
    Effect,
    Fetch,
    HubDownload,
    Link,
    MakeDirectories,
    PipInstall,
    PipUninstall,
    SetMode,
    WriteText,
    above,
    touched,
    within,
)
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.surroundings import Surroundings

T = TypeVar("T")
_NOT_OF_THE_IMAGE = ("/dev", "/proc", "/run", "/sys")
"""What a running container mounts over, or what its start empties."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Holds `files`, made by known commands, with their modes; of those that were fetched, `addresses`; `directories`
    and `clones` made by them; `links`, through which no path here leads; all that was `made`, by path, and the names
    of it `below` the directory where lines begin; what pip lines have `read`."""

    surroundings: Surroundings
    read: frozenset[str] = frozenset()
    files: Mapping[str, int] = {}
    addresses: Mapping[str, str] = {}
    directories: frozenset[str] = frozenset()
    clones: Mapping[str, Clone] = {}
    links: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def after(self, effect: Effect) -> "Site":
        """Give the site as it is once `effect` is done."""
        made, root = touched(effect), self.surroundings.directory.rstrip("/") + "/"
        below = (path.removeprefix(root).partition("/")[0] for path in made if path.startswith(root))
        both = {"made": self.made.union(made), "below": self.below.union(below)}
        return msgspec.structs.replace(self, **both, **self._changed(effect))

    def _changed(self, effect: Effect) -> dict[str, object]:
        """Give what is otherwise then: of many commands, each copies no more."""
        match effect:
            case Fetch(url=url, path=path, mode=mode):
                files = {**self.files, path: self.files.get(path, mode)}
                return {"files": files, "addresses": {**self.addresses, path: url}}
            case WriteText(path=path, append=append, mode=mode):
                new = {} if append else {path: self.files.get(path, mode)}
                return {"files": {**self.files, **new}, "addresses": _without(self.addresses, path)}
            case SetMode(path=path, mode=mode):
                return {"files": {**self.files, path: mode}}
            case MakeDirectories(paths=paths):
                return {"directories": self.directories.union(paths)}
            case Clone(directory=directory):
                clones = {**self.clones, directory: effect}
                return {"directories": self.directories | {directory}, "clones": clones}
            case Link(path=path):
                left = {"files": _without(self.files, path), "addresses": _without(self.addresses, path)}
                return {**left, "links": self.links | {path}}
            case PipInstall(files=named, constraints=limits, requirements=requirements):
                trees = filter(None, (one.tree for one in requirements))
                return {"read": self.read.union(named, limits, trees)}
            case PipUninstall(files=named):
                return {"read": self.read.union(named)}
            case HubDownload():
                return {}

    @property
    def entries(self) -> frozenset[str]:
        """Name what lies in the directory where lines begin."""
        return self.surroundings.entries | self.below

    def path(self, command: Command, text: str, *, kind: Literal["file", "directory", "link"] = "file") -> str:
        """Resolve a path at which a command makes something; `NotKnownError` where it isn't sure that it may."""
        path = absolute(command.directory, text)
        if self.is_source(path):
            raise NotKnownError(f"{path} lies in {self.surroundings.project}, where the project comes")
        for root in _NOT_OF_THE_IMAGE:
            if within(path, root):
                raise NotKnownError(f"{path} is no part of an image")
        for link in above(path):
            if link in self.links and not (path == link and kind == "link"):
                raise NotKnownError(f"{path} leads through a link, {link}")
        return path

    def is_source(self, path: str) -> bool:
        return within(path, self.surroundings.project)


def _without(found: Mapping[str, T], path: str) -> Mapping[str, T]:
    return {key: value for key, value in found.items() if key != path} if path in found else found


Reader: TypeAlias = Callable[[Command, Site], tuple[Effect, ...]]
"""What tells the effects of one program's command, or raises `NotKnownError`."""


def absolute(directory: str, text: str) -> str:
    """Make one absolute path of a program's argument, without "." and doubled slashes."""
    if not text:
        raise NotKnownError("an empty path")
    parts = posixpath.join(directory, text).split("/")
    if ".." in parts:
        raise NotKnownError(f"{text} has .. in it, which leads where links do")
    return "/" + "/".join(part for part in parts if part not in ("", "."))
