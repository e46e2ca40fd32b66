"""Files of two images are compared by reading layers: once each, nothing stored, contents as hashes. A project's layers
are made for it, as a push would.

Read are the layers that only one of the two has. Where all of these are cogpack's own, no path of theirs is in another
layer but for whiteouts, and the answer is whole. Where one is not, all layers are read, since any may hide another's.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NoReturn, Protocol

import msgspec

from cogpack.comparing.packages import dpkg_packages
from cogpack.decompress import decompressed
from cogpack.digest import Digest, Hasher
from cogpack.images.interface import Images
from cogpack.images.root_file_system import RootFileSystem, is_whiteout
from cogpack.layers.layer import Form, Layer
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation, Progress, Task, counted
from cogpack.threads import each
from cogpack.untar import Member, Untar

_STATUS = "var/lib/dpkg/status"
_STATUSES = "var/lib/dpkg/status.d/"
"""Where images without dpkg have a file a package."""
_STATUS_LIMIT = 32 * 1024 * 1024
_ENTRY = 400
_LIMIT = 512 * 1024 * 1024
"""Bytes of all lists together: a million files."""

Packages = dict[str, str]


class ComparedState(msgspec.Struct, frozen=True, kw_only=True):
    """Is an entry of one image. `mode`: four octal digits; `link`: where a symbolic link leads."""

    kind: str
    mode: str
    uid: int
    gid: int
    size: int
    link: str | None


class ComparedFile(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a path that is not the same in both. Of what a whiteout removes, `before` is None where no layer that
    was read has it."""

    path: str
    status: Literal["changed", "added", "removed"]
    before: ComparedState | None
    after: ComparedState | None


class ComparedTrees(msgspec.Struct, frozen=True, kw_only=True):
    """Is what reading came to. `debian`: what dpkg has in each, None where no layer that was read tells."""

    files: tuple[ComparedFile, ...]
    debian: tuple[Packages | None, Packages | None]


Tell = Callable[[int], object]
"""Is told how many bytes more were read."""


class Part(Protocol):
    """Is a layer that can be read. `key`: the same for one layer of both; `size`: bytes that are read."""

    @property
    def key(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def size(self) -> int: ...

    def read(self, take: Callable[[Iterable[bytes]], object], tell: Tell) -> None:
        """Hand the tar to `take`."""


class Blob(msgspec.Struct, frozen=True):
    """Is a layer of an image, and where it can be read."""

    images: Images
    layer: Descriptor

    @property
    def key(self) -> str:
        return self.layer.digest

    @property
    def title(self) -> str:
        return f"{self.images.name} {self.layer.digest[7:19]}"

    @property
    def size(self) -> int:
        return self.layer.size

    def read(self, take: Callable[[Iterable[bytes]], object], tell: Tell) -> None:
        with self.images.blob(self.layer) as blocks:
            take(decompressed(counted(blocks, tell)))


class Planned(msgspec.Struct, frozen=True):
    """Is a layer of the project's own files, which nobody need have made."""

    layer: Layer

    @property
    def key(self) -> str:
        return self.layer.key or self.layer.name

    @property
    def title(self) -> str:
        return self.layer.name

    @property
    def size(self) -> int:
        return self.layer.size(Form.PLAIN) or 0

    def read(self, take: Callable[[Iterable[bytes]], object], tell: Tell) -> None:
        self.layer.copy_to(lambda body: take(counted(body, tell)), Form.PLAIN)


class _Seen(msgspec.Struct, frozen=True, gc=False):
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    link: str
    content: Digest | None
    xattrs: tuple[tuple[str, bytes], ...]

    @property
    def state(self) -> ComparedState:
        return ComparedState(
            kind=self.kind,
            mode=f"{self.mode:04o}",
            uid=self.uid,
            gid=self.gid,
            size=self.size,
            link=self.link if self.kind == "symlink" else None,
        )


class _Layer(msgspec.Struct):
    """Is what one layer lists. `packages`: by the path of dpkg's file that names them."""

    entries: list[tuple[str, _Seen]] = []
    packages: dict[str, Packages] = {}


class Trees:
    """Reads layers and compares what they make. `refuse` raises what is wrong with images of too many files."""

    def __init__(
        self, progress: Progress, cancellation: Cancellation, refuse: Callable[[str], NoReturn], *, jobs: int
    ) -> None:
        self._progress = progress
        self._cancellation = cancellation
        self._refuse = refuse
        self._jobs = jobs
        self._size = 0
        self._lock = threading.Lock()

    def compare(self, before: Sequence[Part], after: Sequence[Part]) -> ComparedTrees:
        """Compare the layers of both, bottom first; one that both have is read once."""
        parts = {part.key: part for part in (*before, *after)}
        left = [(part, self._progress.task(part.title, part.size)) for part in parts.values()]
        listed = each(self._read, left, jobs=self._jobs, name="read", cancellation=self._cancellation)
        layers: Mapping[str, _Layer] = dict(zip(parts, listed, strict=True))
        old, new = (self._merged([layers[part.key] for part in side]) for side in (before, after))
        return ComparedTrees(files=tuple(_differences(old[0], new[0])), debian=(old[1], new[1]))

    def _merged(self, layers: Iterable[_Layer]) -> tuple[RootFileSystem[_Seen], Packages | None]:
        files: RootFileSystem[_Seen] = RootFileSystem(self._refuse)
        packages: dict[str, Packages] = {}
        for layer in layers:
            # Whiteouts are for what is below, wherever in the archive they stand.
            for path, seen in sorted(layer.entries, key=lambda entry: not is_whiteout(entry[0])):
                found = files.entries.get(seen.link) if seen.kind == "hardlink" else None
                files.apply(path, found or seen, directory=seen.kind == "directory")
            packages |= layer.packages
        there = [found for path, found in packages.items() if path in files.entries]
        return files, {name: version for found in there for name, version in found.items()} if there else None

    def _read(self, place: tuple[Part, Task]) -> _Layer:
        part, task = place
        found = _Layer()
        task.doing("read")
        part.read(lambda blocks: self._list(Untar(blocks, where=f"layer {part.key}"), found), task.advance)
        task.done("read")
        return found

    def _list(self, archive: Untar, found: _Layer) -> None:
        for member in archive:
            self._cancellation.check()
            self._count(member)
            status = member.kind == "file" and (member.path == _STATUS or member.path.startswith(_STATUSES))
            content, text = _content(archive.content(), keep=_STATUS_LIMIT if status else 0)
            if status:
                found.packages[member.path] = dpkg_packages(text.decode(errors="replace"))
            found.entries.append((member.path, _seen(member, content if member.kind == "file" else None)))

    def _count(self, member: Member) -> None:
        with self._lock:
            self._size += _ENTRY + len(member.path) + len(member.link) + sum(len(value) for _, value in member.xattrs)
            if self._size > _LIMIT:
                self._refuse(f"their layers have so many files that their list takes {_LIMIT} bytes")


def _content(blocks: Iterable[bytes], *, keep: int) -> tuple[Digest, bytes]:
    hasher, kept = Hasher(), bytearray()
    for block in blocks:
        hasher.update(block)
        kept += block[: max(0, keep - len(kept))]
    return hasher.digest, bytes(kept)


def _seen(member: Member, content: Digest | None) -> _Seen:
    link = member.target if member.kind == "hardlink" else member.link
    return _Seen(member.kind, member.mode, member.uid, member.gid, member.size, link, content, member.xattrs)


def _differences(before: RootFileSystem[_Seen], after: RootFileSystem[_Seen]) -> Iterable[ComparedFile]:
    old, new = before.entries, after.entries
    gone = {path for path in after.hidden - before.hidden if path not in old}
    back = {path for path in before.hidden - after.hidden if path not in new}
    paths = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)} | gone | back
    above = {path.rpartition("/")[0] for path in paths}
    for path in sorted(paths):
        one, other = old.get(path), new.get(path)
        only = one or other
        if path in above and None in (one, other) and only is not None and only.kind == "directory":
            continue  # what is in it says it
        status: Literal["changed", "added", "removed"] = "changed"
        if path in gone or (one is not None and other is None):
            status = "removed"
        elif path in back or one is None:
            status = "added"
        yield ComparedFile(
            path=path,
            status=status,
            before=one.state if one else None,
            after=other.state if other else None,
        )
