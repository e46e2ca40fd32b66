"""The two layers there are: one that we make from a source, and one of a base image, passed on as it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from cogpack.decompress import decompressed
from cogpack.digest import DiffID, Digest, Hasher, sha256
from cogpack.errors import MismatchError
from cogpack.layers import tar
from cogpack.layers.compression import Codec
from cogpack.layers.entry import Directory, complete
from cogpack.layers.layer import Body, Consume, Form, LayerSource
from cogpack.oci import OCI_LAYER, Descriptor, LayerInfo, encode
from cogpack.reference import Reference


class Word(Protocol):
    """What somebody says that layer keys came out as."""

    def get(self, key: str, /) -> LayerInfo | None: ...


READ = "this run's own reading"
"""Who vouches for a layer that was read before it was asked for."""


class _Passes:
    """A `Body`: runs `make` once per iteration and keeps what each drained pass came out as."""

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
    """A source and a codec.

    `ground`: directories of lower layers with other than the usual owner and mode (see `entry.complete`); part of the
    key, since they are written again. `vouched` says who gave `known`, for the error when a rebuild contradicts it;
    `hearsay`: that it was somebody whose word may be used and is not passed on, and that no pass has borne it out.
    `remote`: reading the source is a download; `ratio`: of weights, thousandths that zstd leaves in a probe;
    `remembered`: else it is made before its target is asked for it, since nobody will know what it came out as.
    """

    def __init__(
        self,
        source: LayerSource,
        codec: Codec,
        *,
        ground: Mapping[str, Directory] = {},
        origins: Sequence[Reference] = (),
        remote: bool = False,
        ratio: int | None = None,
        remembered: bool = True,
    ) -> None:
        self.read_first = (codec.media_type == OCI_LAYER or ratio is not None or not remembered) and not remote
        self.costly = codec.media_type != OCI_LAYER or remote
        self.ratio = ratio
        self._remote = remote
        self._source = source
        self._codec = codec
        self._ground = ground
        self._key: str | None = None
        self._unasked: list[tuple[Word, str, bool]] = []
        self.name = source.name
        self.origins = origins
        self.known: LayerInfo | None = None
        self.vouched = ""
        self.hearsay = False

    @property
    def unread(self) -> bool:
        """Whether it has files that nobody has read yet: then it has no key, and nothing can be known of it."""
        return self._key is None and self._source.key() is None

    @property
    def key(self) -> str:
        if self._key is None:
            source = self._source.key()
            if source is None:
                raise AssertionError(f"{self.name}: nobody has read its files yet")
            ground = [[d.path, d.mode, d.uid, d.gid] for _, d in sorted(self._ground.items())]
            self._key = sha256(encode(["cogpack layer", tar.VERSION, self._codec.profile, source, ground]))
        return self._key

    def learn(self, on_bytes: Callable[[int], None]) -> None:
        """Read it once: then it has a key, and what its bytes come out as is known."""

        def consume(body: Body) -> None:
            for block in body:
                on_bytes(len(block))

        self.believe(self.copy_to(consume), vouched=READ)

    def ask(self, word: "Word", *, vouched: str, hearsay: bool = False) -> None:
        """Believe what `word` has for the key; for an unread layer that is once a pass has told the key."""
        if self.unread:
            self._unasked.append((word, vouched, hearsay))
        elif info := word.get(self.key):
            self.believe(info, vouched=vouched, hearsay=hearsay)

    def believe(self, info: LayerInfo, *, vouched: str, hearsay: bool = False) -> None:
        """Take `info` for what the bytes come out as, on the word of `vouched`; two words must agree."""
        if self.known is not None and self.known != info:
            raise self._contradiction(info.descriptor.digest, vouched, hearsay=hearsay)
        if self.known is None or (self.hearsay and not hearsay):
            self.known, self.vouched, self.hearsay = info, vouched, hearsay

    def suspect(self) -> None:
        """Somebody whose word is not taken knows it: it may be there, so that reading it pays before it is sent."""
        self.read_first = self.read_first or not self._remote

    def _segments(self) -> Iterator[tar.Segment]:
        return tar.segments(complete(self._source.entries(), self._ground))

    def size(self, form: Form) -> int | None:
        if self.known is not None and form is Form.STORED:
            return self.known.descriptor.size
        if form is Form.PLAIN or self._codec.media_type == OCI_LAYER:
            return tar.size(self._segments())
        return None

    def _blocks(self, form: Form, plain: Hasher) -> Iterator[bytes]:
        if form is Form.PLAIN or self._codec.media_type == OCI_LAYER:
            return tar.blocks(self._segments())
        return self._codec.encode(self._segments(), plain)

    def _pass(self, passes: _Passes, form: Form) -> Iterator[bytes]:
        plain, stored = Hasher(), Hasher()
        known = self.known.descriptor.size if self.known is not None and form is Form.STORED else None
        for block in stored.watch(self._blocks(form, plain)):
            # What is longer than it should be is made to its end, so that the error can name its digest, but not sent.
            if known is None or stored.size <= known:
                yield block
        if form is Form.PLAIN or self._codec.media_type == OCI_LAYER:
            plain = stored
        media_type = OCI_LAYER if form is Form.PLAIN else self._codec.media_type
        descriptor = Descriptor(media_type=media_type, digest=stored.digest, size=stored.size)
        made = LayerInfo(descriptor, DiffID(plain.digest))
        # Told from inside the pass: before whoever sends the bytes could make something of them.
        while self._unasked and not self.unread:
            word, vouched, hearsay = self._unasked.pop(0)
            self.ask(word, vouched=vouched, hearsay=hearsay)
        if self.known is not None:
            same = made == self.known if form is Form.STORED else made.diff_id == self.known.diff_id
            if not same:
                raise self._contradiction(made.descriptor.digest, "the layer just built")
            self.hearsay = self.hearsay and form is not Form.STORED
        passes.infos.append(made)

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        passes = _Passes(lambda passes: self._pass(passes, form))
        consume(passes)
        return passes.agreed(self.name)

    def _contradiction(self, digest: Digest, who: str, *, hearsay: bool = False) -> MismatchError:
        assert self.known is not None
        return MismatchError(
            f"{self.name}: {self.vouched} says it is {self.known.descriptor.digest}, {who} says {digest}",
            next_step="find out who pushed that tag; --no-tag-cache pushes without its word"
            if hearsay or self.hearsay
            else "remove this layer's [[results]] entry from cogpack.lock and the cache's facts, "
            "then run cogpack verify on the images pushed with them",
        )


class BlobSource(Protocol):
    """Where the blob of a base layer can be read: yields verified bytes."""

    def __call__(self, descriptor: Descriptor) -> Iterator[bytes]: ...


class BaseLayer:
    """A layer of a base image: found at the target, mounted, or streamed there. Never unpacked, never stored."""

    read_first = False
    costly = True

    def __init__(self, name: str, info: LayerInfo, read: BlobSource, origins: Sequence[Reference]) -> None:
        self.name = name
        self.key = str(info.descriptor.digest)
        self.known: LayerInfo | None = info
        self.info = info
        self.origins = origins
        self._read = read

    def size(self, form: Form) -> int | None:
        return self.info.descriptor.size if form is Form.STORED else None

    def _pass(self, passes: _Passes, form: Form) -> Iterator[bytes]:
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
