"""Mirrors are other registries that may have what an image is made of, asked first and believed only by digest.

A tag is looked up at the registry itself, and nothing is pushed to a mirror. Each gets the credentials that the user
has for it, never the registry's, and is told in `ns` whom it stands in for, as containerd does it. Where a mirror
fails, the next one is asked, and last the registry.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

from cogpack.digest import Digest
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.notes import Code, Note
from cogpack.patterns import pattern
from cogpack.reference import Reference
from cogpack.registry.requests import Requests
from cogpack.trace import TRACE

_BREAKS = 3
"""Answers with one blob that may break off before it is asked for elsewhere."""
_BETWEEN = pattern(r"[\s,]+")


class MirrorError(UnavailableError):
    """A mirror's bytes were wrong. It is not asked any more, so that the next try is another."""

    @classmethod
    def of(cls, wrong: MismatchError) -> Self:
        return cls(wrong.message, next_step="run it again, without that mirror")


class Mirrors:
    """They say which registries stand in for which, and which of them failed in this session. Thread-safe."""

    def __init__(self, texts: Sequence[str] = (), note: Callable[[Note], None] = lambda _: None) -> None:
        """Read `texts`: each `HOST=MIRROR` or `HOST=MIRROR/PATH`, or several with commas or spaces between."""
        self._table: dict[str, list[tuple[str, str]]] = {}
        self._note = note
        self._down: set[str] = set()
        for text in texts:
            for entry in filter(None, _BETWEEN.split(text)):
                host, mirror = _parsed(entry)
                self._table.setdefault(host, []).append(mirror)

    def of(self, reference: Reference) -> list[Reference]:
        """List the repositories that may have what that of `reference` has."""
        found = self._table.get(reference.registry, [])
        return [Reference(host, f"{path}{reference.repository}") for host, path in found]

    def is_down(self, host: str) -> bool:
        return host in self._down

    def gave_up(self, host: str, why: CogpackError) -> None:
        """Ask `host` no more, and note why."""
        if host not in self._down:
            self._down.add(host)
            self._note(Note(Code.MIRROR_DOWN, f"{why.message}; the mirror {host} is not asked any more"))


def _parsed(text: str) -> tuple[str, tuple[str, str]]:
    """Read (host, (mirror, what to put before the repository's name))."""
    where = f"registry mirror {text!r:.300}"
    host, _, mirror = text.partition("=")
    registry, _, path = mirror.rstrip("/").partition("/")
    path = f"{path}/" if path else ""
    of, to = (Reference.parse(text, where=where) for text in (f"{host}/x/x", f"{registry}/{path}x"))
    if of.repository != "x/x" or str(to) != mirror.rstrip("/") + "/x":
        raise InputError(
            f"{where}: expected HOST=MIRROR, both with a dot or a port",
            next_step="write it as docker.io=mirror.example.com:5000 or ghcr.io=mirror.example.com/ghcr",
        )
    return of.registry, (registry, path)


class Mirror:
    """One mirror of one repository, and what it is not worth asking for."""

    def __init__(self, requests: Requests, mirrors: Mirrors) -> None:
        self.requests = requests
        self._mirrors = mirrors
        self._denied = False
        self._breaks: Counter[Digest] = Counter()
        self.believed = False
        """Whether bytes from here were taken before they were verified."""

    def may_have(self, digest: Digest) -> bool:
        return not (self._denied or self._breaks[digest] >= _BREAKS or self._mirrors.is_down(self.requests.host))

    def broke(self, digest: Digest) -> None:
        """Count an answer whose bytes ended early."""
        self._breaks[digest] += 1

    def failed(self, digest: Digest, why: CogpackError) -> None:
        """Take in that there was no usable answer: it does not have this, may give us nothing, or does not work."""
        if TRACE.level:
            TRACE.decided(f"mirror {self.requests.host} passed over for {digest}: {why.message}")
        if isinstance(why, DeniedError):
            self._denied = True
        elif isinstance(why, InputError):
            self._breaks[digest] = _BREAKS
        else:
            self._mirrors.gave_up(self.requests.host, why)

    def sent_wrong_bytes(self, why: CogpackError) -> bool:
        """Hear that bytes were wrong. True if they may be from here; then this mirror is given up."""
        believed, self.believed = self.believed, False
        if believed:
            self._mirrors.gave_up(self.requests.host, why)
        return believed
