"""A lock as it is attached to an image: whoever has the image may read it, so it says less than that of the project.

Addresses that are nobody else's business stand as `https://removed.invalid/N` (RFC 2606). A lock of which something was
removed says so by a key that `cogpack.lock` never has. One of which nothing was is a `cogpack.lock`, without results.
"""

import msgspec

from cogpack.lockfile.model import Lock
from cogpack.lockfile.table import FILE
from cogpack.lockfile.text import LIMIT, REMOVED, encode_lock, lock_of, read_document

LOCK_TYPE = "application/vnd.cogpack.lock.v1+toml"
"""The artifact type, and the media type of its one file."""
LOCK_LIMIT = LIMIT
NO_HOST = "removed.invalid"
NO_ADDRESS = f"https://{NO_HOST}/"
"""What an address begins with that was removed."""
_HEADER = b"# The lock of an image. Addresses that are not for everybody are removed: https://removed.invalid/N.\n\n"


class AttachedLock(msgspec.Struct, frozen=True, kw_only=True):
    """Is what an image says of its lock. `removed`: how many addresses and secrets are left out; with 0 it is whole."""

    lock: Lock
    removed: int

    def encode(self, *, config: str = "cog.yaml") -> bytes:
        """Write it as the lock of the project's `config`."""
        header = _HEADER if self.removed else None
        return encode_lock(self.lock, config=config, header=header, removed=self.removed)


def parse_attached_lock(data: bytes, *, path: str = FILE) -> AttachedLock:
    """Read it; anything but a lock is an `InputError`."""
    document = read_document(data, path)
    removed = document.pop(REMOVED, 0)
    return AttachedLock(lock=lock_of(document, path), removed=removed if isinstance(removed, int) else 1)
