"""The two layers there are: one that we make from a source, and one of a base image, passed on as it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cogpack.digest import DiffID, Digest, Hasher, sha256
from cogpack.errors import MismatchError
from cogpack.layers import tar
from cogpack.layers.compression import Codec
from cogpack.layers.entry import Directory, ordered
from cogpack.layers.layer import Consume, Form, LayerSource
from cogpack.layers.spool import Kept, Spooled
from cogpack.oci import OCI_LAYER, Descriptor, LayerInfo, encode
from cogpack.reference import Reference


class _Passes:
    """Is the `Body` that runs `make` once per iteration, and keeps what each drained pass came out as."""

    def __init__(self, make: "Callable[[_Passes], Iterator[bytes]]") -> None:
        self._make = make
        self.infos: list[LayerInfo] = []

    def __iter__(self) -> Iterator[bytes]:
        return self._make(self)

    def last(self) -> LayerInfo:
        return self.infos[-1]

    def agreed(self, name: str) -> LayerInfo:
        if not self.infos:
            raise AssertionError(f"{name}: nobody read the layer to its end")
        for other in self.infos[1:]:
            if other != self.infos[0]:
                raise MismatchError(
                    f"{name}: two readings gave {self.infos[0].descriptor.digest} and {other.descriptor.digest}",
                    next_step="run it again when nothing writes to the project",
                )
        return self.infos[0]


class BuiltLayer:
    """Makes a layer from a source, with a codec.

    `inherited`: directories of lower layers with other than the usual owner and mode (see `entry.complete`); part of
    the key, since they are written again. `remote`: reading the source is a download; `ratio`: of weights, thousandths
    that zstd leaves in a probe; not `remembered`: it is made before its target is asked for it. `spool`: a directory
    where its bytes are kept, once they are made, for whoever wants them next. `unread`: whether so much of it was
    never read that making it is the best way to find its key. `begin`: does what can be done while its files come.
    """

    info = None
    origins = ()

    def __init__(
        self,
        source: LayerSource,
        codec: Codec,
        *,
        inherited: Mapping[str, Directory] = {},
        remote: bool = False,
        ratio: int | None = None,
        remembered: bool = True,
        spool: Path | None = None,
        unread: Callable[[], bool] = lambda: False,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = source.name
        self.source = source
        self.inherited = inherited
        self.remote = remote
        self.ratio = ratio
        self.begin = begin
        self.remembered = remembered
        self.read_first = (codec.media_type == OCI_LAYER or ratio is not None or not remembered) and not remote
        self.costly = codec.media_type != OCI_LAYER or remote
        self._unread = unread
        self._codec = codec
        self._key: Digest | None = None
        self._passing: set[object] = set()
        """Passes that are on: what these read nobody else need."""
        self._whole = False
        """Whether one came to its end, and has read all files."""
        self._spool = spool
        self._kept: tuple[Spooled, LayerInfo] | None = None

    @property
    def key(self) -> str | None:
        # Kept once it is there: it is asked for again and again, and is made of all files of the layer.
        if self._key is None and (self._whole or not (self._passing or self._unread())):
            self.read()
        return self._key

    def read(self) -> None:
        """Read of its files those that are small and that nobody has read, for its key alone."""
        if self._key is None and (source := self.source.key()) is not None:
            self._key = layer_key(source, self._codec, self.inherited)

    @property
    def unread(self) -> bool:
        """Whether its files have yet to be read, for which it is made: the key alone would have them read twice."""
        return self.key is None

    @property
    def contents(self) -> Digest:
        """Name what is in it, however it is stored. Its files have all been read."""
        source = self.source.key()
        assert source is not None
        return sha256(encode([tar.VERSION, source, _listed(self.inherited)]))

    def size(self, form: Form) -> int | None:
        return tar.size(self._segments()) if self._is_plain(form) else None

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        passes = _Passes(lambda passes: self._pass(passes, form))
        consume(passes)
        return passes.agreed(self.name)

    def _pass(self, passes: _Passes, form: Form) -> Iterator[bytes]:
        self._passing.add(one := object())  # many threads do, each at once
        try:
            yield from self._made(passes, form)
            self._whole = True
        finally:
            self._passing.discard(one)

    def _made(self, passes: _Passes, form: Form) -> Iterator[bytes]:
        plain, stored = Hasher(), Hasher()
        if self._kept is not None and form is Form.STORED:
            again, info = self._kept
            yield from stored.watch(tar.read(again))
            if stored.digest != info.descriptor.digest:
                raise MismatchError(f"{self.name}: the bytes that were kept have changed", next_step="check the disk")
            passes.infos.append(info)
            return
        segments = self._segments()
        blocks = stored.watch(tar.blocks(segments) if self._is_plain(form) else self._codec.encode(segments, plain))
        kept = Kept(self._spool) if self._spool is not None and form is Form.STORED else None
        yield from blocks if kept is None else kept.watch(blocks)
        if self._is_plain(form):
            plain = stored
        media_type = OCI_LAYER if form is Form.PLAIN else self._codec.media_type
        descriptor = Descriptor(media_type=media_type, digest=stored.digest, size=stored.size)
        info = LayerInfo(descriptor, DiffID(plain.digest))
        if kept is not None and (content := kept.content()) is not None:
            self._kept = content, info
        passes.infos.append(info)

    def _segments(self) -> Iterator[tar.Segment]:
        return tar.segments(ordered(self.source.entries(), self.inherited))

    def _is_plain(self, form: Form) -> bool:
        """Tell whether the bytes are those of the tar itself."""
        return form is Form.PLAIN or self._codec.media_type == OCI_LAYER


def layer_key(source: str, codec: Codec, inherited: Mapping[str, Directory] = {}) -> Digest:
    """Name a layer of our own by the key of its source, and by all else that decides its bytes."""
    return sha256(encode(["cogpack layer", tar.VERSION, codec.profile, source, _listed(inherited)]))


def _listed(directories: Mapping[str, Directory]) -> list[object]:
    return [[d.path, d.mode, d.uid, d.gid] for _, d in sorted(directories.items())]


class BlobSource(Protocol):
    """Reads the blob of a base layer."""

    def __call__(self, descriptor: Descriptor) -> Iterator[bytes]: ...


class BaseLayer:
    """Passes on a layer of a base image: it is found at the target, mounted, or streamed there, and stored nowhere."""

    remote = True
    read_first = False
    costly = True
    remembered = True
    ratio = None

    def __init__(self, name: str, info: LayerInfo, read: BlobSource, origins: Sequence[Reference]) -> None:
        self.name = name
        self.key = str(info.descriptor.digest)
        self.contents: Digest | DiffID = info.diff_id
        self.info = info
        self.origins = origins
        self._read = read

    def size(self, form: Form) -> int | None:
        return self.info.descriptor.size if form is Form.STORED else None

    def blocks(self) -> Iterator[bytes]:
        """Read the blob, which nobody has verified."""
        return self._read(self.info.descriptor)

    def _pass(self, passes: _Passes, form: Form) -> Iterator[bytes]:
        from cogpack.decompress import decompressed

        stored = Hasher()
        blocks = stored.watch(self._read(self.info.descriptor))
        if form is Form.STORED:
            yield from blocks
            if stored.digest != self.info.descriptor.digest:
                raise self._damaged(stored.digest)
            passes.infos.append(self.info)
            return
        plain = Hasher()
        yield from plain.watch(decompressed(blocks))
        if stored.digest != self.info.descriptor.digest or DiffID(plain.digest) != self.info.diff_id:
            raise self._damaged(stored.digest)
        descriptor = Descriptor(media_type=OCI_LAYER, digest=plain.digest, size=plain.size)
        passes.infos.append(LayerInfo(descriptor, self.info.diff_id))

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        passes = _Passes(lambda passes: self._pass(passes, form))
        consume(passes)
        return passes.agreed(self.name)

    def _damaged(self, found: Digest) -> MismatchError:
        return MismatchError(
            f"{self.name}: expected {self.info.descriptor.digest} (diff ID {self.info.diff_id}), found {found}",
            next_step="the base image's registry sent a damaged layer; try again or choose another base",
        )
