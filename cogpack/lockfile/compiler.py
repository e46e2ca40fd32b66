"""A compiler that an image has because its model compiles when it runs, and nobody asked for one."""

from cogpack.lockfile.table import LockTable


class LockedCompiler(LockTable, frozen=True, kw_only=True):
    """Says that `packages` of Debian are in the image beside those that were asked for, and `why`."""

    packages: tuple[str, ...]
    why: str
