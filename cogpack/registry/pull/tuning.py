"""How much of a blob is asked for, held and written down at a time: measured, and nobody's to choose but a test's."""

import msgspec

from cogpack.sizes import MiB


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a fetch of blobs in bytes and seconds.

    `ranged`: a smaller blob comes in one answer: more of them would not be quicker; `part` and `largest_part`: what a
    range is; `memory`: what may have come of all streams together and not been read. `sync`: what has come is written
    down; `window`: what of a blob a killed process fetches again: a network that is quicker than the disk waits for
    the disk. `grace`: seconds over which the pace of a part is measured; `tick`: between looks at what nobody tells:
    that a request crawls, or the user wants to stop.
    """

    ranged: int = 64 * MiB
    part: int = 4 * MiB
    largest_part: int = 64 * MiB
    memory: int = 64 * MiB
    sync: int = 64 * MiB
    window: int = 256 * MiB
    grace: float = 5.0
    tick: float = 0.5


TUNING = Tuning()
