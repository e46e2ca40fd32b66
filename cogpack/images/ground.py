"""What there is of an image's layers, as entries that more can be laid over."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from cogpack.images.listings import Listed
from cogpack.images.root_file_system import RootFileSystem, is_whiteout
from cogpack.layers.content import Bytes
from cogpack.layers.debs.over.ground import Unread
from cogpack.layers.entry import Directory, Entry, Fifo, File, Symlink, parents
from cogpack.symlinks import follow


def weigh(member: Listed) -> int:
    """Tell how many bytes are kept of a member besides its path."""
    return len(member.link) + len(member.data or b"")


def apply_layer(files: RootFileSystem[Listed], layer: Iterable[Listed]) -> None:
    """Take in the members of a layer: its whiteouts first, which are of lower layers wherever they stand (image-spec
    layer.md, "Whiteouts"). A hard link is a file like the one that it names, in whichever order the two come."""
    waiting: list[Listed] = []
    for member in sorted(layer, key=lambda one: not is_whiteout(one.path)):
        if member.kind == "hardlink":
            if found := _linked(files, member):
                member = found
            else:
                waiting.append(member)
        files.apply(member.path, member, directory=member.kind == "directory")
    for member in (*reversed(waiting), *waiting):  # each may be linked with one that comes after or before it
        if files.entries.get(member.path) is member and (found := _linked(files, member)):
            files.entries[member.path] = found


def _linked(files: RootFileSystem[Listed], link: Listed) -> Listed | None:
    """Give the file that `link` names, by its own path or through links, under the path of `link`."""
    followed = follow(link.link, links_of(files.entries), last=False)
    found = files.entries.get(link.link) or files.entries.get(followed or "")
    if found is None or found.kind in ("hardlink", "directory"):
        return None
    return msgspec.structs.replace(found, path=link.path)


def links_of(members: Mapping[str, Listed]) -> Callable[[str], str | None]:
    """Tell what the link at a path leads to, for `follow`; None of all that is no link."""

    def target(path: str) -> str | None:
        found = members.get(path)
        return found.link if found is not None and found.kind == "symlink" else None

    return target


def ground_of(members: Mapping[str, Listed]) -> Mapping[str, Entry]:
    """Give what there is by its real path, with the directories that engines make of their own."""
    found: dict[str, Entry] = {}
    above: dict[str, str] = {}
    for path, member in sorted(members.items()):
        directory, slash, name = path.rpartition("/")
        if directory not in above:
            above[directory] = follow(directory, links_of(members)) or directory
        real = f"{above[directory]}{slash}{name}".strip("/")
        for parent in parents(real):
            found.setdefault(parent, Directory(parent))
        if real and (real == path or real not in members):
            found[real] = _entry(real, member)
    return found


def _entry(path: str, member: Listed) -> Entry:
    match member.kind:
        case "directory":
            return Directory(path, member.mode, member.uid, member.gid)
        case "symlink":
            return Symlink(path, member.link, member.uid, member.gid)
        case "file" if member.data is not None:
            return File(path, Bytes(member.data), member.mode, member.uid, member.gid)
        case "file" | "hardlink":  # a link to what no layer has
            content = Unread(path, member.size, member.shared_object)
            return File(path, content, member.mode, member.uid, member.gid)
    return Fifo(path, member.mode, member.uid, member.gid)
