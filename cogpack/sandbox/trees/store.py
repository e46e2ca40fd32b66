"""Laid trees are kept in the machine's cache, one for each list of layers, and copied from there.

Never by hard links: a command that writes in place would change the kept tree, and a link changes a file's ctime. What
is kept counts only as this user left it: the record is under a seal, and names the inode and ctime of each path, which
nobody can set. So a tree that came from elsewhere, as with a cache that CI restored, is laid anew.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from blake3 import blake3

from cogpack.cache import Kept
from cogpack.digest import sha256
from cogpack.disk import UNFINISHED, sync_file_system, write_whole, writing
from cogpack.oci import encode
from cogpack.progress import Cancellation
from cogpack.sandbox.capture.snapshot import Status, walk
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.filler import TreeFiller
from cogpack.sandbox.trees.laid import FORMAT, Laid, LaidTree, decode_laid, encode_laid
from cogpack.sandbox.trees.lay import JOBS, TREE, make
from cogpack.seal import Seal
from cogpack.sizes import MiB

_VERSION = 1
"""Part of each name: raised when the same layers would be laid otherwise."""
_RECORD = "record"
_FICLONE = 0x40049409
_WORTH_CLONING = 64 * 1024
"""Bytes of a file from which on asking for a clone takes less than copying it."""
_NO_CLONE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ETXTBSY)


class StoredTree(msgspec.Struct, frozen=True, eq=False):
    """Is a tree in the cache, for reading only, as an overlay's lower directory. `root`: the directory."""

    root: Path
    laid: dict[str, Laid]
    owned: bool

    def copy(
        self,
        place: Path,
        *,
        owned: bool,
        jobs: int = JOBS,
        cancellation: Cancellation | None = None,
        on_bytes: Callable[[int], object] = lambda _: None,
    ) -> LaidTree:
        """Make the directory `place`, and in it a tree like this one, by clones where the file system has them."""
        with (
            writing(place),
            make(place, owned=owned, readable=False, jobs=jobs, cancellation=cancellation) as filler,
        ):
            self.put(filler, on_bytes)
            return filler.finish()

    def put(self, filler: TreeFiller, on_bytes: Callable[[int], object]) -> None:
        """Lay a copy of it where nothing is yet."""
        first: dict[int, str] = {}
        for path, one in self.laid.items():
            head = first.setdefault(id(one), path)
            mine = msgspec.structs.replace(one, children={})
            if head != path:
                filler.link(path, head)
            elif one.kind == "file":
                filler.file(path, mine, partial(_clone, f"{self.root}/{path}", on_bytes))
            else:
                filler.make(path, mine)


class Trees:
    """Keeps laid trees in the cache `kept`. Their records are under `seal`."""

    def __init__(self, kept: Kept, seal: Seal) -> None:
        self._kept = kept
        self._seal = seal

    def get(self, layers: Sequence[str], *, owned: bool, lay: Callable[[Path], LaidTree]) -> StoredTree:
        """Give the tree of `layers`: diff IDs, or what else names them. Where there is none, `lay` makes it, readable,
        in the directory that it is told."""
        name = sha256(encode(["tree", _VERSION, FORMAT, owned, list(layers)])).removeprefix("sha256:")
        place = self._kept.root / "trees" / name
        self._kept.used(place)
        if (found := self._found(place, name)) is not None:
            return found
        with writing(place):
            place.parent.mkdir(exist_ok=True)
        unfinished = place.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
        try:
            tree = lay(unfinished)
            self._write_record(unfinished, name, tree)
            self._put(unfinished, place)
        finally:
            remove_tree(unfinished)
        found = self._found(place, name)
        return found or StoredTree(place / TREE, dict(tree.laid), tree.owned)

    def _write_record(self, place: Path, name: str, tree: LaidTree) -> None:
        with writing(place):
            directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sync_file_system(directory)  # before it has its name: nothing else tells half of it from the whole
            finally:
                os.close(directory)
            laid = encode_laid(tree.laid)
            record = msgspec.msgpack.encode((tree.owned, laid, _identity(walk(tree.root))))
        write_whole(place / _RECORD, [self._seal.close(f"tree {name}", record)], mode=0o600)

    def _put(self, unfinished: Path, place: Path) -> None:
        """Give it its name, in place of one that does not count; another run's that does is as good."""
        with writing(place):
            try:
                unfinished.rename(place)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if self._found(place, place.name) is None:
                    aside = place.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
                    place.rename(aside)
                    remove_tree(aside)
                    unfinished.rename(place)

    def _found(self, place: Path, name: str) -> StoredTree | None:
        with suppress(OSError, msgspec.MsgspecError):
            data = self._seal.read(f"tree {name}", place / _RECORD)
            if data is None:
                return None
            owned, laid, identity = msgspec.msgpack.decode(data, type=tuple[bool, bytes, bytes])
            if _identity(walk(place / TREE)) == identity:
                return StoredTree(place / TREE, decode_laid(laid), owned)
        return None


def _identity(paths: Mapping[str, Status]) -> bytes:
    """Hash what nobody can set of any path."""
    seen = [
        (path.encode("utf-8", "surrogateescape"), one.inode, one.ctime_ns, one.mode, one.size, one.uid, one.gid)
        for path, one in sorted(paths.items())
    ]
    return blake3(msgspec.msgpack.encode(seen)).digest()


def _clone(source: str, on_bytes: Callable[[int], object], file: int) -> None:
    """Fill `file` with the bytes at `source`."""
    other = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(other).st_size
        if size >= _WORTH_CLONING and _cloned(other, file):
            on_bytes(size)
            return
        copy: Callable[[int, int, int], int] = os.copy_file_range if size >= _WORTH_CLONING else _copied
        while size:
            try:
                done = copy(other, file, min(size, 16 * MiB))
            except OSError as error:
                if copy is _copied or error.errno not in _NO_CLONE:
                    raise
                copy = _copied
                continue
            if not done:
                raise OSError(errno.EIO, f"{source} is shorter than it was")
            size -= done
            on_bytes(done)
    finally:
        os.close(other)


def _cloned(source: int, file: int) -> bool:
    try:
        fcntl.ioctl(file, _FICLONE, source)
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        return False
    return True


def _copied(source: int, file: int, size: int) -> int:
    block = memoryview(os.read(source, min(size, MiB)))
    done = 0
    while done < len(block):
        done += os.write(file, block[done:])
    return done
