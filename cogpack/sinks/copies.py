"""Copies are blobs that another registry has: a push reads them there where making them again would cost more.

What this machine remembers of other pushes is asked, once and briefly: a registry that does not answer at once is left
alone from then on. Bytes are verified by digest and size as those of any blob.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cogpack.errors import CogpackError
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Layer
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor
from cogpack.reference import Reference
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.registry.repository import Repository

_WORTH = 1024 * 1024
"""Bytes of a blob below which making it takes no longer than asking for it."""

STREAMS = 24
"""At a time: each needs two of the pool's connections, and the second must never wait for all the firsts."""

_ASKED = 2
"""Registries that are asked for one blob."""


class LostError(Exception):
    """A registry that said that it has a blob did not give it, or gave another: its failure."""


class Copy:
    """A blob as a repository of another registry has it: each iteration is a whole pass, verified at its end."""

    def __init__(self, repository: Repository, blob: Descriptor, name: str) -> None:
        self.name = name
        """HOST/NAME, for people."""
        self._repository = repository
        self._blob = blob

    def __iter__(self) -> Iterator[bytes]:
        try:
            with self._repository.blob(self._blob) as blocks:
                yield from blocks
        except CogpackError as error:  # not to be taken for a failure of where the bytes go
            raise LostError(error.message) from error


class Copies:
    """What other registries have for a push to `here`; for None, which is no registry, what somebody said that one has.
    `open`: reads one, without waiting for outages; `note`: is told what did not come. Thread-safe."""

    def __init__(
        self,
        blob_origins: BlobOrigins,
        here: Reference | None,
        open: Callable[[Reference], Repository],  # noqa: A002
        note: Callable[[Note], None],
    ) -> None:
        self._blob_origins = blob_origins
        self._here = here
        self._open = open
        self._note = note
        self._repositories: dict[Reference, Repository] = {}
        self._away: set[str] = set()
        self._lock = threading.Lock()
        self._streams = threading.BoundedSemaphore(STREAMS)

    def bring(
        self,
        layer: Outgoing,
        blob: Descriptor,
        take: Callable[[Copy, Callable[[int], None]], object],
        on_bytes: Callable[[int], None],
    ) -> str:
        """Hand a copy of the blob to `take`, with who counts its bytes, and give the name of where it lay; "" where
        there is none, or it did not come: the layer is to be made."""
        with self.find(layer.recipe, blob) as copy:
            if copy is None:
                return ""
            taken = 0

            def count(size: int) -> None:
                nonlocal taken
                taken += size
                on_bytes(size)

            try:
                take(copy, count)
            except LostError as lost:
                text = f"{layer.name}: {copy.name} does not give it ({lost}): it is made here"
                self._note(Note(Code.COPY_LOST, text))
                on_bytes(-taken)
                return ""
            return copy.name

    @contextmanager
    def find(self, layer: Layer, blob: Descriptor) -> Iterator[Copy | None]:
        """Find a copy of the blob that `layer` makes, where reading it is the cheaper way; it is to be read within."""
        small = blob.size < _WORTH and not self._blob_origins.is_told(blob.digest)
        if not layer.costly or small or not self._streams.acquire(blocking=False):
            yield None
            return
        try:
            yield self._ask(blob)
        finally:
            self._streams.release()

    def _ask(self, blob: Descriptor) -> Copy | None:
        if self._here is None:
            told = self._blob_origins.home(blob.digest)
            homes = [told] if told else []
        else:
            homes = self._blob_origins.in_other_registries(self._here.registry, blob.digest)[:_ASKED]
        for home in homes:
            if home.registry in self._away:
                continue
            try:
                repository = self._repository(home)
                if repository.has_blob(blob):
                    return Copy(repository, blob, home.name)
            except CogpackError:  # a hint that leads nowhere is none
                self._away.add(home.registry)
        return None

    def _repository(self, home: Reference) -> Repository:
        with self._lock:
            if home not in self._repositories:
                self._repositories[home] = self._open(home)
            return self._repositories[home]
