"""A blob is fetched in ranges, decided without sockets, files or a clock (distribution-spec, "Pulling blobs").

A `Download` says which part to ask for next, whether an answer may be read, and which of its bytes are new; what it is
told decides whether ranges are to be trusted. A byte is only ever taken once, so what has been hashed can't change.
The digest is the caller's to check; `restart` is for bytes that were wrong.
"""

import enum
import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TypeAlias

import msgspec

from cogpack.digest import Digest

Span: TypeAlias = tuple[int, int]
"""Bytes from the first number up to, not including, the second."""

BUDGET = 8
"""Failures in a row with no progress between them."""
_REFILL = 1024 * 1024
"""New bytes that are progress (a 64th of a smaller blob): with one byte a connection it would go on for ever."""

_FRACTION = 10
"""A part crawls that has less than this part of what connections brought lately, each,"""
_FLOOR = 1024
"""or fewer bytes a second than this, however the others fare, so many times in a row."""
_STALLS = 6

_SHARES = 24
"""What is left to ask for is looked at as so many ranges, twice the connections that a pull has."""

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


class Mode(enum.Enum):
    RANGES = "ranges"  # closed ranges, several at a time once one was answered as asked
    SINGLE = "single"  # one answer at a time, from the first missing byte on
    WHOLE = "whole"  # one answer at a time, and no Range: this server's are not to be trusted


class Part:
    """A part is one request: from byte `start`, the next to come, up to `end`. `revoked`: nobody wants it."""

    def __init__(self, start: int, end: int, *, ranged: bool, round: int) -> None:  # noqa: A002 - the right word
        self.start = start
        self.end = end
        self.ranged = ranged
        self.round = round
        self.revoked = False
        self.stalls = 0
        self._mark: tuple[float, int] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Ask for a closed range: not every registry knows open ones."""
        return {"Range": f"bytes={self.start}-{self.end - 1}"} if self.ranged else {}

    def rest(self) -> None:
        """Measure anew: it had to wait for its reader, and that time says nothing of the server."""
        self._mark = None

    def measure(self, now: float, grace: float) -> float | None:
        """Give the bytes a second over the last `grace` seconds or a little more, each time that they have passed."""
        if self._mark is None:
            self._mark = now, self.start
        since, start = self._mark
        if now - since < grace:
            return None
        pace = max(0, self.start - start) / (now - since)
        self.stalls = self.stalls + 1 if pace < _FLOOR else 0
        self._mark = now, self.start
        return pace


class Crawlers:
    """It finds the parts so slow, beside the others or at all, that they had better be asked for anew.

    The others need not live as long as is measured: what they brought counts, and for as long again, as a part may be
    the last of them. Of fewer than three there is no telling who is slow.
    """

    def __init__(self, grace: float) -> None:
        """`grace`: seconds over which the pace of a part is measured."""
        self._grace = grace
        self._seen: deque[tuple[float, int, int]] = deque()

    def among(self, parts: Sequence[Part], received: int, now: float) -> list[Part]:
        """Find those of `parts` that crawl. `received`: bytes over all connections so far; `now`: seconds."""
        self._seen.append((now, received, len(parts)))
        while len(self._seen) > 1 and self._seen[1][0] <= now - 2 * self._grace:
            self._seen.popleft()
        since, before, _ = self._seen[0]
        most = max(count for _, _, count in self._seen)
        each = (received - before) / (now - since) / most if most >= 3 and now > since else 0.0
        paces = [(part, part.measure(now, self._grace)) for part in parts]
        return [
            part for part, pace in paces if pace is not None and (pace < each / _FRACTION or part.stalls >= _STALLS)
        ]


class Download:
    """It decides how one blob of `size` bytes is fetched. Not thread-safe: its driver has a lock."""

    def __init__(
        self, size: int, have: Iterable[Span] = (), *, part: int, largest: int = 0, ranges: bool = True
    ) -> None:
        """Begin with `have`, which is there already. `part`: bytes of a range; a blob no larger comes in one answer.

        `largest`: of a range while much is left. They get shorter, so that all connections end together, and what came
        last is not far from what is hashed.
        """
        self.size = size
        self.mode = Mode.RANGES if ranges and size > part else Mode.SINGLE
        self.failures = 0
        self._part = part
        self._largest = largest
        self._got: list[Span] = []
        for span in have:
            self._add(span)
        self._live: list[Part] = []
        self._proven = False
        self._restarted = False
        self._round = 0
        self._progress = 0

    @property
    def got(self) -> tuple[Span, ...]:
        """Give the spans that are there, in order, no two touching."""
        return tuple(self._got)

    @property
    def live(self) -> tuple[Part, ...]:
        return tuple(self._live)

    @property
    def prefix(self) -> int:
        """Count the bytes that are there without a gap, from the first on."""
        return self._got[0][1] if self._got and self._got[0][0] == 0 else 0

    @property
    def complete(self) -> bool:
        return self.prefix == self.size

    @property
    def spent(self) -> bool:
        return self.failures >= BUDGET

    def claim(self, limit: int | None = None) -> Part | None:
        """Give the next part to ask for, beginning before byte `limit`; None where there is nothing to do now."""
        if self.complete or (self._live and not (self.mode is Mode.RANGES and self._proven)):
            return None
        if self.mode is Mode.WHOLE:
            part = Part(0, self.size, ranged=False, round=self._round)
        else:
            claimed = list(self._got)
            for other in self._live:
                claimed = _added(claimed, (other.start, other.end))
            gap = next(_gaps(claimed, 0, self.size), None)
            if gap is None or (limit is not None and gap[0] >= limit):
                return None
            start, end = gap
            if self.mode is Mode.RANGES:
                left = self.size - sum(stop - begin for begin, stop in claimed)
                share = min(self._largest, left // _SHARES)
                end = min(end, start + max(self._part, share - share % self._part))
            part = Part(start, end, ranged=(start, end) != (0, self.size), round=self._round)
        self._live.append(part)
        return part

    def judge(self, part: Part, status: int, headers: Mapping[str, str]) -> bool:
        """Tell whether to read the body of the answer (200, 206 or 416). `headers`: names in lower case.

        A 200 holds the whole blob: its stream becomes the only one. Any other range than was asked for, or its length,
        ends the trust in this server's ranges (RFC 9110 14.4, 15.3.7).
        """
        if part.revoked:
            return False
        if status == 200:
            self._revoke(but=part)
            part.start, part.end = 0, self.size
            if self.mode is Mode.RANGES:
                self.mode = Mode.SINGLE
            return True
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        asked = (part.start, part.end - 1, self.size)
        length = headers.get("content-length", str(part.end - part.start))
        honest = length == str(part.end - part.start) and found and tuple(map(int, found.groups())) == asked
        if status == 206 and part.ranged and honest:
            self._proven = True
            return True
        self.mode = Mode.WHOLE
        self._revoke(but=part)
        return False

    def fresh(self, part: Part, size: int) -> list[Span]:
        """Tell which of the `size` bytes that came for `part` are wanted: to be stored before `advance`."""
        if part.revoked:
            return []
        return list(_gaps(self._got, part.start, min(part.start + size, part.end)))

    def advance(self, part: Part, size: int) -> None:
        """Count `size` bytes that came; those of them that were wanted are stored."""
        if part.revoked:
            return
        new = self.fresh(part, size)
        part.start = min(part.start + size, part.end)
        for span in new:
            self._add(span)
        self._progress += sum(end - start for start, end in new)
        if self._progress >= min(_REFILL, max(1, self.size // 64)):
            self.failures = 0

    def release(self, part: Part, *, failed: bool) -> bool:
        """End a part; what it lacks is asked for again. Answers whether that counts as a failure.

        Failures at the same time, as when a network breaks or an address ends, count as one.
        """
        self._live = [other for other in self._live if other is not part]
        if failed and not part.revoked and part.round == self._round:
            self._round += 1
            self._progress = 0
            self.failures += 1
            return True
        return False

    def restart(self) -> bool:
        """Forget all bytes, which were wrong, and fetch them whole. False the second time: they are wrong there."""
        if self._restarted:
            return False
        self._restarted = True
        self.mode = Mode.WHOLE
        self._revoke()
        self._got = []
        return True

    def _revoke(self, but: Part | None = None) -> None:
        for part in self._live:
            part.revoked = part is not but
        self._live = [part for part in self._live if part is but]

    def _add(self, span: Span) -> None:
        self._got = _added(self._got, span)


class _Recorded(msgspec.Struct, frozen=True):
    size: int
    got: list[Span]


def encode_journal(blobs: Mapping[Digest, tuple[int, Sequence[Span]]]) -> bytes:
    """Write what is on disk of each blob: its size, and the spans that were synced."""
    return msgspec.json.encode({digest: _Recorded(size, list(got)) for digest, (size, got) in blobs.items()})


def decode_journal(data: bytes, blobs: Mapping[Digest, int]) -> dict[Digest, list[Span]]:
    """Read what a journal says of `blobs`, which have these sizes. It is only a hint: nonsense is nothing, no error."""
    try:
        found = msgspec.json.decode(data, type=dict[str, _Recorded])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    believed = {}
    for digest, size in blobs.items():
        recorded = found.get(digest)
        if recorded and recorded.size == size and all(0 <= start < end <= size for start, end in recorded.got):
            believed[digest] = recorded.got
    return believed


def _added(spans: Sequence[Span], span: Span) -> list[Span]:
    """Add a span to `spans`, which are in order and apart."""
    start, end = span
    if start >= end:
        return list(spans)
    first = bisect_left(spans, start, key=itemgetter(1))
    last = bisect_right(spans, end, first, key=itemgetter(0))
    if joined := spans[first:last]:
        start, end = min(start, joined[0][0]), max(end, joined[-1][1])
    return [*spans[:first], (start, end), *spans[last:]]


def _gaps(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """List what `spans`, which are in order and apart, leave uncovered between `start` and `end`."""
    for other_start, other_end in spans[bisect_right(spans, start, key=itemgetter(1)) :]:
        if other_start >= end:
            break
        if other_start > start:
            yield start, other_start
        start = max(start, other_end)
    if start < end:
        yield start, end
