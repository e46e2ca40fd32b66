"""Which pins of a lock are not kept when it is made anew."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """Says what is decided anew though the lock there is has it; nothing, unless something is said.

    `all`: every pin, of files of weights too, but not the format; `wheels`: those of these names, as a user wrote
    them; `format`: the newest of images; `run`: what known lines of `build.run` bring; `step`: what the line of this
    index brings; `system`: of Debian's packages, those that the security archive has newer.
    """

    all: bool = False
    wheels: tuple[str, ...] = ()
    format: bool = False
    run: bool = False
    step: int | None = None
    system: bool = False


NOTHING = Upgrade()
