"""`cogpack lock`: decide everything that the image depends on, and write it down.

The act lies in `locking`, since a push that finds no lock makes one, too.
"""

from cogpack.locking.current import check_lock, lock

__all__ = ["check_lock", "lock"]
