"""How a registry lets itself be asked is remembered from run to run, so that the next one has its token before its
first request, and can connect to the token server while it reads the project.

One small file a registry, under a seal, as it names where credentials go. It is a hint: a registry that refuses what
came of it says anew how it wants to be asked.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import sha256
from cogpack.disk import write_hint
from cogpack.registry.auth.challenge import Challenge
from cogpack.seal import Seal

_MOST = 64 * 1024


class RememberedChallenges:
    """Keeps challenges below `directory`, under this `seal`, by the address of the registry. `used` is told of each
    file that is looked for."""

    def __init__(self, directory: Path, seal: Seal, *, used: Callable[[Path], None]) -> None:
        self._directory = directory
        self._seal = seal
        self._used = used

    def find(self, base: str) -> list[Challenge]:
        """Give those of the registry at `base`; none where nobody knows."""
        path = self._path(base)
        self._used(path)
        with suppress(OSError, msgspec.MsgspecError):
            with path.open("rb") as file:
                sealed = file.read(_MOST)
            if (found := self._seal.open(f"challenge {base}", sealed)) is not None:
                return msgspec.msgpack.decode(found, type=list[Challenge])
        return []

    def keep(self, base: str, challenges: Sequence[Challenge]) -> None:
        sealed = self._seal.close(f"challenge {base}", msgspec.msgpack.encode(challenges))
        if len(sealed) <= _MOST:
            write_hint(self._path(base), sealed, lambda _: None)

    def forget(self, base: str) -> None:
        with suppress(OSError):
            self._path(base).unlink()

    def _path(self, base: str) -> Path:
        return self._directory / sha256(base.encode()).removeprefix("sha256:")
