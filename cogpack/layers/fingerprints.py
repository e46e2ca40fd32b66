"""blake3 of the project's files, so that an unchanged file is recognised without reading it.

A remembered hash counts while size, times, inode and device are the same, and only when the file was last touched
well before the hash was remembered: git's rule for entries as young as its index ("racy git").
"""

import io
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from blake3 import blake3

from cogpack.digest import Digest, Hasher, parse_digest
from cogpack.disk import write_hint
from cogpack.file_stat import LENGTH, Stat, touched_ns
from cogpack.layers.content import AtOnce, Bytes, Content, LocalFile, Slices, places
from cogpack.layers.hashes import Hashes, Rows
from cogpack.layers.tar import read
from cogpack.notes import Note
from cogpack.oci import encode
from cogpack.seal import THIS_RUN, Seal
from cogpack.sizes import BLOCK

_YOUNG = 2_000_000_000
"""Nanoseconds: coarser than the clock of any file system in use."""


SMALL = 64 * 1024
"""Bytes of a file that is read at once."""

_SAMPLES = 16
_SAMPLE = 4096
"""Bytes of a block."""

_EMPTY = blake3().hexdigest()


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """`keys`: of sources, by what lists their files; `files`: what was found of each; `rows`: what is known of very
    many. Both are read where they are asked for."""

    keys: dict[str, str]
    files: msgspec.Raw
    rows: msgspec.Raw


_NOTHING = _Stored({}, msgspec.Raw(msgspec.msgpack.encode({})), msgspec.Raw(msgspec.msgpack.encode(Rows())))


class Fingerprinted(AtOnce):
    """Is content whose blake3 is known, or is learned on the way when it is read whole for the first time.

    `blake3`: in hex; None until then.
    """

    __slots__ = ("_content", "_learned", "blake3", "size")  # a project may have very many

    def __init__(
        self, content: Content, blake3: str | None, learned: Callable[[Content, str], object] | None = None
    ) -> None:
        self._content = content
        self._learned = learned
        self.blake3 = blake3
        self.size = content.size

    def __repr__(self) -> str:
        return repr(self._content)

    def at_once(self) -> bytes | None:
        if self.size > SMALL or not isinstance(self._content, LocalFile):
            return None
        data = self._content.whole()
        if self.blake3 is None:
            self._learn(blake3(data).hexdigest())
        return data

    def open(self) -> BinaryIO:
        if (data := self.at_once()) is not None:
            return io.BytesIO(data)
        stream = self._content.open()
        return stream if self.blake3 is not None else cast("BinaryIO", _Watched(stream, self.size, self._learn))

    @property
    def is_here(self) -> bool:
        """Whether reading it takes this machine alone."""
        return isinstance(self._content, Bytes | LocalFile | Slices)

    def sample(self) -> str | None:
        """Hash a few blocks of it: contents that have different ones differ. None where it is no file here."""
        return _sample(self._content) if isinstance(self._content, LocalFile | Slices) else None

    def _learn(self, digest: str) -> None:
        self.blake3 = digest
        if self._learned:
            self._learned(self._content, digest)
            self._learned = None


def _sample(content: LocalFile | Slices) -> str:
    """Hash blocks at equal distances, from the first byte to the last."""
    file, head = (content, b"") if isinstance(content, LocalFile) else (content.file, content.head)
    ranges = ((0, content.size),) if isinstance(content, LocalFile) else content.ranges
    digest = blake3()
    with file.open() as stream:
        for number in range(_SAMPLES):
            start = max(0, content.size - _SAMPLE) * number // (_SAMPLES - 1)
            digest.update(head[start : start + _SAMPLE])
            for offset, length in places(ranges, start - len(head), _SAMPLE):
                stream.seek(offset)
                digest.update(stream.read(length))
    return digest.hexdigest()


class _Watched(io.RawIOBase):
    """Hashes a stream that is read once from end to end; whoever stops early learns nothing."""

    def __init__(self, stream: BinaryIO, size: int, learn: Callable[[str], None]) -> None:
        self._stream = stream
        self._left = size
        self._learn = learn
        self._hasher = hasher(size)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        self._hasher.update(block)
        return block

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        self._stream.close()  # raises if the file was changed meanwhile
        if self._left == 0:
            self._learn(self._hasher.hexdigest())


class Fingerprints:
    """Remembers hashes by path, in `store`, under `seal`. Without `trusting`, all is read again.

    `note` is told of a disk that does not take them; `clock`: nanoseconds, as times of files are.
    """

    def __init__(
        self,
        store: Path,
        seal: Seal = THIS_RUN,
        *,
        trusting: bool = True,
        note: Callable[[Note], None] = lambda _: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._seal = seal
        self._name = f"fingerprints 4 {store.name}"
        self._note = note
        self._started = clock()
        self._seen: dict[str, bytes] = {}
        """What is to be remembered of a file, by its path: its status, and what was found of it then."""
        self._taken: dict[tuple[str, Stat], Fingerprinted] = {}
        self._keys: dict[str, str] = {}
        """Keys that this run has asked for."""
        self._stored = _NOTHING
        self._hashes: Hashes | None = None
        self._changed = False
        self._saved = 0
        if not trusting:
            return
        with suppress(OSError):  # none yet, or half of one, or somebody else's: all is hashed anew
            if (data := seal.read(self._name, store)) is not None:
                self._stored = msgspec.msgpack.decode(data, type=_Stored)

    @cached_property
    def _known(self) -> dict[str, bytes]:
        """What was remembered of files that were not seen yet."""
        known = msgspec.msgpack.decode(self._stored.files, type=dict[bytes, bytes])  # not every path is text
        self._saved = len(known)
        self._stored = msgspec.structs.replace(self._stored, files=_NOTHING.files)
        return {os.fsdecode(name): found for name, found in known.items()}

    def key_of(self, listing: str) -> str | None:
        """Tell the key of the source of just these files, which nobody need look up then."""
        if (key := self._stored.keys.get(listing)) is not None:
            self._keys[listing] = key
        return key

    def learn_key(self, listing: str, key: str, newest: int) -> None:
        """Remember it, unless one of the files is young: the `newest` was touched then."""
        if newest < self._started - _YOUNG and self._keys.get(listing) != key:
            self._keys[listing] = key
            self._changed = True

    def hashes(self, names: bytes, stats: bytes) -> Hashes:
        """Give what is known of the files of one list, the project's; `names` are its own for them, a zero byte between
        two, `stats` lie in their order."""
        found = Hashes(names, stats)
        if self._hashes is not None and self._hashes.is_of(found):
            return self._hashes
        if self._hashes is None:
            self._changed |= not found.take_over(msgspec.msgpack.decode(self._stored.rows, type=Rows))
            files = self._stored.files.copy()  # of what was read nothing more is wanted, which is as large
            self._stored = msgspec.structs.replace(self._stored, files=files, rows=_NOTHING.rows)
        else:
            found.take_over(self._hashes.rows())
        self._hashes = found
        return found

    def learn(self, hashes: Hashes, number: int, stat: Stat, digest: str) -> None:
        """Remember what one of `hashes` is: for this run alone where the file is young."""
        young = self._is_young(stat)
        hashes.learn(number, bytes.fromhex(digest), young=young)
        self._changed |= not young

    def learn_run(self, hashes: Hashes, start: int, digests: Sequence[bytes]) -> None:
        """Remember what files in a row are."""
        if self._is_young(hashes.row_of_stats(start, start + len(digests))):
            for number, digest in enumerate(digests, start):
                self.learn(hashes, number, hashes.stat(number), digest.hex())
        else:
            hashes.learn_run(start, digests)
            self._changed = True

    def of(self, path: str | Path) -> Fingerprinted:
        """Take the file as it is now; it is read here and at once if it is not remembered: for small files."""
        found = self.when_read(LocalFile.of(path))
        if found.blake3 is None:
            for _ in read(found):
                pass
        return found

    def sha256(self, file: LocalFile) -> Digest:
        """Give the digest of its bytes, by which git-lfs knows it; they are read if it is not remembered."""

        def find() -> str:
            hasher = Hasher()
            for block in read(file):
                hasher.update(block)
            return hasher.digest

        return parse_digest(self.remember(file, "sha256", find), where=str(self._store))

    def remember(self, content: LocalFile | Slices, what: str, find: Callable[[], str]) -> str:
        """Answer the question `what` about `content`; `find` is asked only where that is not remembered."""
        name, stat = _named(content)
        name += f"\0{what}"
        if (known := self._recall(name, stat)) is not None:
            return known
        found = find()
        self._learn(name, stat, found)
        return found

    def _learn(self, name: str, stat: Stat, found: str) -> None:
        if not self._is_young(stat):
            self._seen[name] = stat + found.encode()
            self._changed = True

    def _recall(self, name: str, stat: Stat) -> str | None:
        known = self._known.pop(name, None) or self._seen.get(name)
        if known is None or not known.startswith(stat):
            return None
        self._seen[name] = known
        return known[LENGTH:].decode()

    def when_read(self, content: LocalFile | Slices) -> Fingerprinted:
        """Take `content` as it is now; if its hash is not remembered, it is known once somebody has read all of it, to
        all who took it."""
        if content.size == 0:  # nobody will open it
            return Fingerprinted(content, _EMPTY)
        name, stat = _named(content)
        if (known := self._recall(name, stat)) is not None:
            return Fingerprinted(content, known)
        if (taken := self._taken.get((name, stat))) is not None:
            return taken
        found = Fingerprinted(content, None, self._read)
        if not self._is_young(stat):
            self._taken[name, stat] = found
        return found

    def _read(self, content: Content, digest: str) -> None:
        assert isinstance(content, LocalFile | Slices)
        name, stat = _named(content)
        self._taken.pop((name, stat), None)
        self._learn(name, stat, digest)

    def _is_young(self, stats: bytes) -> bool:
        """Tell whether a file, or one of many, may be written to again after it was read, and look the same."""
        return touched_ns(stats) >= self._started - _YOUNG

    def save(self) -> None:
        """Remember the files seen since loading, and only those; all, where files were known by their listing."""
        unseen = any(listing in self._stored.keys for listing in self._keys)
        if not self._changed and (unseen or len(self._seen) == self._saved):
            return
        kept = {**self._known, **self._seen} if unseen else self._seen
        files = {os.fsencode(name): found for name, found in kept.items()}
        rows = self._stored.rows if self._hashes is None else self._hashes.rows()
        sealed = self._seal.close_encoded(self._name, (self._keys, files, rows))  # as `_Stored` reads it
        write_hint(self._store, sealed, self._note)
        self._changed, self._saved = False, len(self._seen)


def _named(content: LocalFile | Slices) -> tuple[str, Stat]:
    """Tell what it is remembered by, and what must be the same for that."""
    if isinstance(content, LocalFile):
        return str(content.path), content.stat
    part = blake3(encode([content.head, content.ranges])).hexdigest()
    return f"{content.file.path}\0{part}", content.file.stat


def hasher(size: int) -> blake3:
    """Make a hasher for `size` bytes to come, on all cores where that pays.

    It is fed by blocks and not memory-mapped, since mapped pages count as this process's memory.
    """
    return blake3(max_threads=blake3.AUTO) if size > 64 * BLOCK else blake3()
