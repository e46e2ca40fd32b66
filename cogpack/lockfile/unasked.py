"""What an image has of Debian though nobody asked for it, because its model would not run without."""

from cogpack.lockfile.table import LockTable


class LockedUnasked(LockTable, frozen=True, kw_only=True):
    """Says that `packages` of Debian are in the image beside those that were asked for, and `why`."""

    packages: tuple[str, ...]
    why: str
