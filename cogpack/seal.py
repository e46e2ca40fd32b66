"""A seal tells what this user wrote from what somebody else laid where it would look.

A cache travels: CI systems restore one that other branches could write. What can be checked by a digest is; the rest
(what layers came out as, hashes of files that need not be read again) counts only under a keyed hash of a secret that
is not in the cache.
"""

import os
import secrets
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from blake3 import blake3

from cogpack.disk import whole_file
from cogpack.errors import InputError
from cogpack.home import home
from cogpack.notes import Code, Note

_KEY = 32
_TAG = 32
"""Bytes of a seal, in front of what it is for."""


class Seal:
    """Signs bytes with a key. `name`, below, says what the bytes are about, so that no seal serves in another place."""

    def __init__(self, key: bytes | None = None) -> None:
        """Without a `key`, it counts as long as this object lives."""
        self._key = key or secrets.token_bytes(_KEY)

    @classmethod
    def of_this_user(cls, environment: Mapping[str, str], note: Callable[[Note], object] = lambda _: None) -> "Seal":
        """Return the seal whose key is in `$XDG_STATE_HOME/cogpack/seal`, else `~/.local/state/cogpack/seal`; made
        where there is none.

        Where it can't be kept, or others could read it (a `note`), nothing that an earlier run wrote counts.
        """
        state = environment.get("XDG_STATE_HOME", "")
        if not state.startswith("/"):
            if (found := home(environment)) is None:
                return cls()
            state = f"{found}/.local/state"
        return cls(_kept(Path(state, "cogpack", "seal"), note))

    def close(self, name: str, data: bytes) -> bytes:
        """Put `data` under a seal, to be written down."""
        return self._tag(name, data) + data

    def close_encoded(self, name: str, value: object) -> bytearray:
        """Put the msgpack of `value` under a seal, which is nowhere else meanwhile: it may be large."""
        sealed = bytearray()
        msgspec.msgpack.Encoder().encode_into(value, sealed, _TAG)
        sealed[:_TAG] = self._tag(name, memoryview(sealed)[_TAG:])
        return sealed

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """Return what was given to `close` under this name by somebody with this key; None for anything else."""
        tag, data = sealed[:_TAG], memoryview(sealed)[_TAG:]
        return bytes(data) if secrets.compare_digest(tag, self._tag(name, data)) else None

    def read(self, name: str, path: Path) -> bytes | None:
        """Return the same of a file, which is in memory once; `OSError` where it can't be read."""
        with path.open("rb", buffering=0) as stream:
            tag, data = stream.read(_TAG), stream.read()
        return data if secrets.compare_digest(tag, self._tag(name, data)) else None

    def word(self, text: str) -> str:
        """Return a name that only who has the key can tell beforehand: 16 hex digits."""
        return self._tag(text, b"").hex()[:16]

    def _tag(self, name: str, data: bytes | memoryview) -> bytes:
        words = name.encode("utf-8", "surrogateescape")
        return blake3(len(words).to_bytes(8, "big") + words, key=self._key).update(data).digest()


def _kept(path: Path, note: Callable[[Note], object]) -> bytes | None:
    """Return the key in `path`, which is made if need be; None where that can't be, or where it is not ours alone."""
    with suppress(OSError, InputError):
        try:
            key, why, advice = _read(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with whole_file(path, mode=0o600, stays=path.exists) as file:  # of two first runs at once, the first counts
                file.write(secrets.token_bytes(_KEY))
            key, why, advice = _read(path)
        if not why:
            return key
        text = f"{path}: {why}, so that nothing counts that earlier runs kept; {advice}"
        note(Note(Code.SEAL_IGNORED, text))
    return None


def _read(path: Path) -> tuple[bytes, str, str]:
    """Read a key, and say why it proves nothing, if so, and what to do."""
    user = os.geteuid()
    try:
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            key = stream.read(_KEY + 1)
    except PermissionError:
        left = f"where it was left in this user's home by a run under sudo, sudo rm -r {shlex.quote(str(path.parent))}"
        return b"", f"user {user} may not open it", f"{left}; else set HOME or XDG_STATE_HOME to this user's own"
    remove = "remove it, and a new one is made"
    if found.st_uid != user:
        others = f"is of user {found.st_uid}, and not of user {user}"
        # Root's new one in another's home would be closed to who lives there.
        return key, others, remove if user else "set HOME or XDG_STATE_HOME to root's own, as sudo -H does"
    if found.st_mode & 0o077:
        return key, f"has mode {found.st_mode & 0o777:o}", remove
    return key, "" if len(key) == _KEY else "has another length", remove


THIS_RUN = Seal()
"""Of a process: what another one wrote does not count."""
