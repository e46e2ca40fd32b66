"""A command is read at a site: where its line begins, and what the known commands before it have made."""

import posixpath
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from cogpack.run_lines.arguments import NotKnownError
from cogpack.run_lines.effects import Clone, Effect, Fetch, Link, MakeDirectories, SetMode, WriteText
from cogpack.run_lines.expansion import Command, Surroundings

_NOT_OF_THE_IMAGE = ("/dev", "/proc", "/run", "/sys")
"""What a running container mounts over, or what its start empties."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Holds `files`, made by known commands, with their modes; of those that were fetched, `addresses`; `directories`
    and `clones` made by them; `links`, of which no path here leads through one."""

    surroundings: Surroundings
    files: Mapping[str, int] = {}
    addresses: Mapping[str, str] = {}
    directories: frozenset[str] = frozenset()
    clones: Mapping[str, Clone] = {}
    links: frozenset[str] = frozenset()

    def after(self, effect: Effect) -> "Site":
        """Give the site as it is once `effect` is done."""
        match effect:
            case Fetch(url=url, path=path, mode=mode):
                files = {**self.files, path: self.files.get(path, mode)}
                return msgspec.structs.replace(self, files=files, addresses={**self.addresses, path: url})
            case WriteText(path=path, append=append, mode=mode):
                others = {each: url for each, url in self.addresses.items() if each != path}
                kept = self.files if append else {**self.files, path: self.files.get(path, mode)}
                return msgspec.structs.replace(self, files=kept, addresses=others)
            case SetMode(path=path, mode=mode):
                return msgspec.structs.replace(self, files={**self.files, path: mode})
            case MakeDirectories(paths=paths):
                return msgspec.structs.replace(self, directories=self.directories | set(paths))
            case Clone(directory=directory):
                return msgspec.structs.replace(
                    self, directories=self.directories | {directory}, clones={**self.clones, directory: effect}
                )
            case Link(path=path):
                return msgspec.structs.replace(self, links=self.links | {path})
        return self

    @property
    def entries(self) -> frozenset[str]:
        """What lies in the directory where lines begin."""
        root = self.surroundings.directory.rstrip("/") + "/"
        made = {*self.files, *self.directories, *self.links}
        below = {path.removeprefix(root).partition("/")[0] for path in made if path.startswith(root)}
        return self.surroundings.entries | below

    def path(self, command: Command, text: str) -> str:
        """Resolve a path that a command writes to; `NotKnownError` where it isn't sure that it may."""
        path = absolute(command.directory, text)
        if self.is_source(path):
            raise NotKnownError(f"{path} lies in {self.surroundings.project}, where the project comes")
        for root in _NOT_OF_THE_IMAGE:
            if within(path, root):
                raise NotKnownError(f"{path} is no part of an image")
        for weight in self.surroundings.weights:
            if within(path, weight) or within(weight, path):
                raise NotKnownError(f"{path} meets the managed weights at {weight}")
        for link in self.links:
            if within(path, link) and path != link:
                raise NotKnownError(f"{path} leads through a link, {link}")
        return path

    def is_source(self, path: str) -> bool:
        return within(path, self.surroundings.project)


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


def within(path: str, root: str) -> bool:
    """Tell whether `path` is `root` or lies below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")
