"""Libraries of some wheels ask for an executable stack. From glibc 2.41 on, who loads one is refused (dlopen), so that
an older Debian is taken for them where cog.yaml leaves that open.

A wheel's largest libraries are looked at, of which some kilobytes are read by range. A library asks when one object
does that it is made of, an assembler's mostly; all that were found to ask are the large ones of their wheel.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from cogpack.config import Config, Suite
from cogpack.lockfile import Decisions, LockedExecutableStack, LockedWheel
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.wheels.outlines import Outlines
from cogpack.notes import Code, Note
from cogpack.progress import Cancellation
from cogpack.threads import each

OLDER: Suite = "bookworm"
"""Has a glibc that makes the stack executable where a library asks for it."""
SETTING = ("GLIBC_TUNABLES", "glibc.rtld.execstack=2")
"""A variable by which a newer one does so, too, for the whole process (glibc's manual, Tunables)."""

_REFUSED_FROM = (2, 41)
_LOOKED_AT = 3
_JOBS = 16
_HEAD = 8 * 1024


def suite_for(config: Config, usual: Suite, decisions: Decisions | None) -> Suite | None:
    """Give the suite that these wheels want; None where it is not to be chosen. `usual`: of what asks for nothing."""
    pack = config.pack
    named = pack.base is not None or pack.debian.suite is not None or pack.debian_base_from is not None
    if named or usual == OLDER:
        return None
    return OLDER if decisions is not None and decisions.executable_stacks else usual


def refuses_executable_stacks(base: Base) -> bool:
    """Tell whether its glibc does."""
    return tuple(map(int, base.glibc.split("."))) >= _REFUSED_FROM


def find_executable_stacks(
    outlines: Outlines,
    wheels: Sequence[LockedWheel],
    kept: Decisions | None,
    cancellation: Cancellation,
) -> tuple[LockedExecutableStack, ...]:
    """Look for libraries that ask for one. What `kept` says of the same wheels still holds."""
    looked_at = kept is not None and (refuses_executable_stacks(kept.base) or bool(kept.executable_stacks))
    there = {wheel.filename for wheel in kept.wheels if wheel in wheels} if kept and looked_at else set()
    found = [one for one in kept.executable_stacks if one.wheel in there] if kept else []
    others = [wheel for wheel in wheels if wheel.filename not in there]
    for one in each(partial(_of_wheel, outlines), others, jobs=_JOBS, name="stacks", cancellation=cancellation):
        found += one
    return tuple(sorted(found, key=lambda one: (one.wheel, one.library)))


def stack_notes(config: Config, decisions: Decisions) -> Iterator[Note]:
    """Give a note of each library, where another suite was taken for it, or it will not load."""
    base, wheels = decisions.base, {wheel.filename: wheel for wheel in decisions.wheels}
    for one in decisions.executable_stacks:
        wheel = wheels[one.wheel]
        asks = f"{one.library} of {wheel.name} {wheel.version} asks for an executable stack"
        if not refuses_executable_stacks(base):
            text = f"Debian {OLDER} is taken: {asks}, which the C library of trixie refuses; base: debian:trixie"
            yield Note(Code.SUITE_OF_WHEEL, f"{text} under cogpack takes trixie all the same")
        elif SETTING not in config.environment:
            out = "a base of an older one" if config.pack.base else f"base: debian:{OLDER} under cogpack"
            text = f"{asks}, which glibc {base.glibc} of {base.title} refuses: it will not load"
            advice = f"take {out}, a newer {wheel.name}, or {'='.join(SETTING)} under environment"
            yield Note(Code.EXECUTABLE_STACK, f"{config.where('cogpack.base')}: {text}; {advice}")


def _of_wheel(outlines: Outlines, wheel: LockedWheel) -> list[LockedExecutableStack]:
    from cogpack.elf.linking import wants_executable_stack

    _, outline = outlines.of(wheel)
    return [
        LockedExecutableStack(wheel=wheel.filename, library=name.rpartition("/")[2])
        for name in outline.shared_objects()[:_LOOKED_AT]
        if wants_executable_stack(outline.beginning(name, _HEAD))
    ]
