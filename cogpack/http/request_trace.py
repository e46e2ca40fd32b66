"""`RequestTrace` tells the trace of a request when it is over: what went out, what came, how long it took."""

from collections.abc import Callable, Iterable, Iterator
from typing import Self

from cogpack.errors import CogpackError
from cogpack.http.addresses import both_shown
from cogpack.http.answer import Stream
from cogpack.http.proxies import Proxies
from cogpack.trace import ALL, TRACE


class RequestTrace:
    """Is open around one request for `url`, which `asked` is asked for."""

    def __init__(self, method: str, url: str, asked: str, clock: Callable[[], float], proxies: Proxies) -> None:
        self._clock = clock
        self._on = TRACE.level >= ALL
        proxy = proxies.choose(asked) if self._on else None
        self._asked = f"{method} {both_shown(url, asked)}{f' by {proxy}' if proxy else ''}" if self._on else ""
        self._began = clock() if self._on else 0.0
        self._sent = 0
        self._stream: Stream | None = None

    def counted(self, body: bytes | Iterable[bytes] | None) -> bytes | Iterable[bytes] | None:
        """Return `body`, of which the bytes that go out are counted."""
        if not self._on or body is None:
            return body
        if isinstance(body, bytes):
            self._sent = len(body)
            return body
        return self._count(body)

    def _count(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._sent += len(block)
            yield block

    def answered(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not self._on:
            return
        parts = [str(self._stream.status) if self._stream else "no answer"]
        parts += [f"sent {self._sent} B"] if self._sent else []
        parts += [f"received {self._stream.received} B"] if self._stream and self._stream.received else []
        parts.append(f"{(self._clock() - self._began) * 1000:.0f} ms")
        why = f" ({error.message})" if isinstance(error, CogpackError) else ""
        TRACE.detailed(f"{self._asked}: {', '.join(parts)}{why}")
