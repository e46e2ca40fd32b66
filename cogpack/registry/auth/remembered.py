"""How a registry lets itself be asked is remembered from run to run, so that the next one has its token before its
first request, and can connect to the token server while it reads the project.

One small file a registry, under a seal, as it names where credentials go. It is a hint: a registry that refuses what
came of it says anew how it wants to be asked. Of token servers, only one whose certificate says who it is, or that is
the registry itself: without TLS, and on loopback above all, another may have that port by now.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import sha256
from cogpack.disk import write_hint
from cogpack.errors import InputError
from cogpack.http import same_origin
from cogpack.registry.auth.challenge import Challenge
from cogpack.seal import Seal

_MOST = 64 * 1024
_AGE = 7 * 24 * 3600.0
"""Seconds that a challenge is remembered."""


class _Kept(msgspec.Struct, frozen=True):
    """`since`: seconds of the epoch, when they were written."""

    since: float
    challenges: list[Challenge]


class RememberedChallenges:
    """Keeps challenges below `directory`, under this `seal`, by the address of the registry. `used` is told of each
    file that is looked for."""

    def __init__(self, directory: Path, seal: Seal, *, used: Callable[[Path], None]) -> None:
        self._directory = directory
        self._seal = seal
        self._used = used
        self._found: dict[str, bytes] = {}

    def find(self, base: str) -> list[Challenge]:
        """Give those of the registry at `base`; none where nobody knows, or not since a week."""
        path = self._path(base)
        self._used(path)
        with suppress(OSError, msgspec.MsgspecError):
            with path.open("rb") as file:
                sealed = file.read(_MOST)
            if (found := self._seal.open(f"challenge {base}", sealed)) is not None:
                kept = msgspec.msgpack.decode(found, type=_Kept)
                if 0 <= time.time() - kept.since < _AGE and _may_be_kept(kept.challenges, base):
                    self._found[base] = sealed
                    return kept.challenges
        return []

    def keep(self, base: str, challenges: Sequence[Challenge]) -> None:
        """Keep them, in place of those that were found; or none, where they must not be."""
        if not _may_be_kept(challenges, base):
            self.forget(base)
            return
        kept = msgspec.msgpack.encode(_Kept(time.time(), list(challenges)))
        sealed = self._seal.close(f"challenge {base}", kept)
        if len(sealed) <= _MOST:
            write_hint(self._path(base), sealed, lambda _: None)

    def forget(self, base: str) -> None:
        """Forget what was found, but not what another run has written since."""
        path = self._path(base)
        with suppress(OSError):
            if path.read_bytes() == self._found.pop(base, None):
                path.unlink()

    def _path(self, base: str) -> Path:
        return self._directory / sha256(base.encode()).removeprefix("sha256:")


def _may_be_kept(challenges: Sequence[Challenge], base: str) -> bool:
    """Tell whether all token servers are reached by TLS, or are the registry at `base` itself, by its very port."""
    realms = [one.parameters.get("realm", "") for one in challenges if one.scheme == "bearer"]
    with suppress(InputError):
        return all(same_origin(realm, base) or realm.lower().startswith("https://") for realm in realms)
    return False
