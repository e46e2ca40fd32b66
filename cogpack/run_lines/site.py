"""A command is read at a site: where its line begins, and what the known commands before it have made."""

import posixpath
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

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
    touched,
    within,
)
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.surroundings import Surroundings

_NOT_OF_THE_IMAGE = ("/dev", "/proc", "/run", "/sys")
"""What a running container mounts over, or what its start empties."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Holds `files`, made by known commands, with their modes; of those that were fetched, `addresses`; `directories`
    and `clones` made by them; `links`, through which no path here leads; all that was `made`, by path; what pip lines
    have `read`."""

    surroundings: Surroundings
    read: frozenset[str] = frozenset()
    files: Mapping[str, int] = {}
    addresses: Mapping[str, str] = {}
    directories: frozenset[str] = frozenset()
    clones: Mapping[str, Clone] = {}
    links: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()

    def after(self, effect: Effect) -> "Site":
        """Give the site as it is once `effect` is done."""
        files, addresses, clones = dict(self.files), dict(self.addresses), dict(self.clones)
        directories, links, read = set(self.directories), set(self.links), set(self.read)
        match effect:
            case Fetch(url=url, path=path, mode=mode):
                files.setdefault(path, mode)
                addresses[path] = url
            case WriteText(path=path, append=append, mode=mode):
                addresses.pop(path, None)
                if not append:
                    files.setdefault(path, mode)
            case SetMode(path=path, mode=mode):
                files[path] = mode
            case MakeDirectories(paths=paths):
                directories.update(paths)
            case Clone(directory=directory):
                directories.add(directory)
                clones[directory] = effect
            case Link(path=path):
                files.pop(path, None)
                addresses.pop(path, None)
                links.add(path)
            case PipInstall(files=named, constraints=limits, requirements=requirements):
                read.update((*named, *limits, *filter(None, (one.tree for one in requirements))))
            case PipUninstall(files=named):
                read.update(named)
            case HubDownload():
                pass
        return Site(
            surroundings=self.surroundings,
            files=files,
            addresses=addresses,
            directories=frozenset(directories),
            clones=clones,
            links=frozenset(links),
            made=self.made | set(touched(effect)),
            read=frozenset(read),
        )

    @property
    def entries(self) -> frozenset[str]:
        """Name what lies in the directory where lines begin."""
        root = self.surroundings.directory.rstrip("/") + "/"
        below = {path.removeprefix(root).partition("/")[0] for path in self.made if path.startswith(root)}
        return self.surroundings.entries | below

    def path(self, command: Command, text: str, *, kind: Literal["file", "directory", "link"] = "file") -> str:
        """Resolve a path at which a command makes something; `NotKnownError` where it isn't sure that it may."""
        path = absolute(command.directory, text)
        if self.is_source(path):
            raise NotKnownError(f"{path} lies in {self.surroundings.project}, where the project comes")
        for root in _NOT_OF_THE_IMAGE:
            if within(path, root):
                raise NotKnownError(f"{path} is no part of an image")
        for link in self.links:
            if within(path, link) and not (path == link and kind == "link"):
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
