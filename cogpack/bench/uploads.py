"""What a registry and the way to it take: so much over one connection, so much over many, and what it does at the end.

Random bytes are sent in uploads that are cancelled (`trial`), for so many bytes and seconds as are allowed.
"""

import hashlib
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from urllib.parse import urlsplit

import msgspec

from cogpack.bench.lanes import LATEST, SECONDS, Flow, Lane, Lanes, measure_lanes
from cogpack.bench.trial import Place, RandomBlocks, ShapeRefusedError, Trial
from cogpack.digest import Digest
from cogpack.errors import CogpackError, UnavailableError
from cogpack.progress import Cancellation, Cancelled
from cogpack.registry.profiles import Shape
from cogpack.sizes import MiB

CONNECTIONS = (1, 2, 4, 8, 16)
_SHAPES: tuple[Shape, ...] = ("stream", "chunks", "put")
"""In the order in which they are tried: a stream ends when its time is up, and a PUT only comes where no PATCH does."""
_PATIENCE = 30.0
"""Seconds that an upload has until the registry has all of what went out, and it is cancelled."""
_LITTLE = 1024
_BLOB = 16 * MiB
"""Of the blob that is made where that was asked for."""
_TELLS = 0.02
"""Seconds by which a large blob must take longer than a small one, to say that its size counts."""


class FoundShape(msgspec.Struct, frozen=True, kw_only=True):
    """How the body of an upload may be. `rate`: of one connection, in bytes a second; `said`: where it is not taken,
    what the registry said."""

    shape: Shape
    taken: bool
    rate: float | None = None
    said: str = ""


class Finishing(msgspec.Struct, frozen=True, kw_only=True):
    """What the request costs that makes a blob of what has come. `how`: "refused", by a digest that the bytes do not
    have; "stored", of a blob that was deleted; "" where neither told. `seconds`: of next to no bytes; `rate`: bytes a
    second beyond that, None where more bytes take no longer; `size`: of the largest that was tried."""

    how: str
    seconds: float = 0.0
    rate: float | None = None
    size: int = 0


class Uploads(Lanes, frozen=True, kw_only=True):
    """What was found. `host`: asked to open uploads; `storage`: who took the bytes; `redirected`: at an address of its
    own; `tls`: whether they went encrypted; `opening`: seconds, of the median POST; `shape`: that the lanes were
    measured with, and `shapes` all; `cancels`: whether all uploads could be cancelled, else they expire; `sent`: bytes
    that this took."""

    host: str
    storage: str
    redirected: bool
    tls: bool
    opening: float
    shape: Shape
    shapes: tuple[FoundShape, ...]
    finishing: Finishing
    cancels: bool
    sent: int


class _Sends(Flow):
    """So many connections at once, each with an upload of its own. `refused`: what the registry said of the shape;
    `ending`: bytes that were refused at the end, and the seconds that this took."""

    def __init__(self, place: Place, shape: Shape, cancellation: Cancellation) -> None:
        super().__init__(cancellation)
        self._place = place
        self._shape = shape
        self.refused = ""
        self.ending: tuple[int, float] | None = None

    @property
    def rate(self) -> float:
        return 0.0 if self.refused else super().rate

    def send(self, size: int, *, ends: bool = False) -> None:
        """Send `size` bytes, or until time is up; where it `ends`, the registry is to refuse them, too."""
        if self.ended:
            return
        goes_on = (lambda: not self.ended) if self._shape == "stream" else lambda: True
        try:
            with Trial(self._place, RandomBlocks(size, goes_on), on_bytes=self.moved) as trial:
                trial.send(self._shape, size, lambda: not self.ended)
                self.drained()
                if ends and self._shape != "put":
                    self.ending = (self.total, trial.refuse())
        except ShapeRefusedError as error:
            self.refused = str(error)
        except CogpackError as error:
            self.failed(error)
        except Cancelled:
            pass  # who waits for us knows


class _Measuring:
    def __init__(self, place: Place, cancellation: Cancellation, seconds: float) -> None:
        self._place = place
        self._cancellation = cancellation
        self._seconds = seconds
        self._ending: tuple[int, float] | None = None
        self.sent = 0
        self.shapes: dict[Shape, FoundShape] = {}

    @property
    def shape(self) -> Shape:
        return next((found.shape for found in self.shapes.values() if found.taken), "stream")

    def lane(self, count: int, room: int) -> Flow:
        """Measure so many connections, in a shape that the first of them finds."""
        if count == 1:
            for shape in _SHAPES:
                sends = self._one(shape, room if shape == "stream" else min(room, 4 * MiB))
                if not sends.refused:
                    break
            self._ending = sends.ending
            return sends
        rate = self.shapes[self.shape].rate or 0.0
        size = room // count if self.shape == "stream" else min(room // count, self._worth(rate))
        return self._run(self.shape, count, size)

    def others(self, room: int) -> None:
        """Try chunks, where no lane was measured with them. Not a PUT: after one that is refused with all its bytes,
        distribution 2.8 knows the upload's address no more, and keeps them until they expire."""
        if "chunks" not in self.shapes:
            self._one("chunks", min(room, self._worth(self.shapes[self.shape].rate or 0.0)))

    def _worth(self, rate: float) -> int:
        return max(MiB, int(rate * self._seconds))

    def _one(self, shape: Shape, room: int) -> _Sends:
        sends = self._run(shape, 1, room, ends=True)
        rate = sends.rate
        if sends.refused or rate:
            self.shapes[shape] = FoundShape(shape=shape, taken=not sends.refused, rate=rate or None, said=sends.refused)
        return sends

    def _run(self, shape: Shape, count: int, size: int, *, ends: bool = False) -> _Sends:
        sends = _Sends(self._place, shape, self._cancellation)
        works = [partial(sends.send, size, ends=ends and not number) for number in range(count)]
        sends.run(works, self._seconds, patience=_PATIENCE)
        self.sent += sends.total
        return sends

    def finishing(self) -> Finishing:
        """Have next to no bytes refused, and compare with the many of the first lane."""
        try:
            small = self._refused()
        except (CogpackError, ShapeRefusedError):
            return Finishing(how="")
        if self._ending is None:
            return Finishing(how="refused", seconds=small, size=_LITTLE)
        return _compared("refused", small, *self._ending)

    def _refused(self) -> float:
        self.sent += _LITTLE
        with Trial(self._place, RandomBlocks(_LITTLE), on_bytes=_unheard) as trial:
            if self.shape == "put":
                began = time.monotonic()
                trial.send("put", _LITTLE)
                return time.monotonic() - began
            trial.send(self.shape, _LITTLE)
            return trial.refuse()

    def stored(self, small: float) -> Finishing | None:
        """Have one blob made, and delete it; None where the registry deletes none, or takes it in another way."""
        if self.shape == "put" or not self._place.can_delete():
            return None
        data = b"".join(RandomBlocks(_BLOB))
        digest = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
        with Trial(self._place, [data], on_bytes=_unheard) as trial:
            trial.send(self.shape, len(data))
            self.sent += len(data)
            try:
                seconds = trial.commit(digest)
            finally:
                self._place.remove(digest)
        return _compared("stored", min(small, seconds), len(data), seconds)


def _compared(how: str, small: float, size: int, seconds: float) -> Finishing:
    more = seconds - small
    return Finishing(how=how, seconds=small, rate=size / more if more > max(_TELLS, small) else None, size=size)


def _unheard(_: int) -> None:
    pass


def measure_uploads(
    place: Place,
    *,
    room: int,
    commit: bool,
    cancellation: Cancellation,
    told: Callable[[Lane], object],
    seconds: float = SECONDS,
) -> Uploads:
    """Measure in at most `room` bytes, and `commit`: 16 MiB more, for a blob that is made and deleted.

    Raises what keeps us from opening an upload, or the first from sending: no right to push, no such repository.
    """
    with Trial(place, (), on_bytes=_unheard):
        pass  # the right to push, and whether an upload can be cancelled
    measuring = _Measuring(place, cancellation, seconds)
    lanes, _ = measure_lanes(CONNECTIONS, room * 3 // 4, measuring.lane, told)
    host = place.requests.host
    if not lanes:
        refused = "; ".join(f"{one.shape}: {one.said}" for one in measuring.shapes.values() if one.said)
        why = refused or f"no byte of an upload was taken within {LATEST:.0f} s"
        raise UnavailableError(f"{host}: {why}", next_step="check the registry, and run it again")
    measuring.others(room // 4)
    finishing = measuring.finishing()
    if commit:
        finishing = measuring.stored(finishing.seconds) or finishing
    answered = min(place.urls)
    return Uploads(
        host=host,
        storage=urlsplit(answered).netloc,
        redirected=any(urlsplit(url).netloc != host for url in place.urls),
        tls=urlsplit(answered).scheme == "https",
        opening=median(place.openings),
        shape=measuring.shape,
        shapes=tuple(measuring.shapes[shape] for shape in _SHAPES if shape in measuring.shapes),
        finishing=finishing,
        cancels=not place.uncancelled,
        lanes=lanes,
        sent=measuring.sent,
    )
