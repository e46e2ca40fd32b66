"""What is built again, since nobody has the wheel of the lock, is held to the lock."""

from collections.abc import Callable
from pathlib import Path

from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.lockfile import LockedBuild, LockedWheel
from cogpack.locking.wheels.building import Built

_NAMED = 5
"""Files that are named of those that differ."""


def built_again(wheel: LockedWheel, build: LockedBuild, act: Callable[[], Built]) -> Path:
    """Give the file of the wheel that `act` builds. `MismatchError` where it is not the one of the lock."""
    from cogpack.locking.wheels.members import differing_members

    title = f"{wheel.name} {wheel.version}"
    try:
        built = act()
    except (DeniedError, InputError, UnavailableError) as error:
        error.message = (
            f"{title}: neither cache nor registry has the wheel that the lock names, and it can't be built again: "
            f"{error.message}"
        )
        raise
    if built.sha256 == wheel.sha256:
        return built.path
    others, gone = differing_members(built.path, build.members)
    named = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
    told = [f"{named} differ" if named else "", f"{gone} of its files are gone" if gone else ""]
    raise MismatchError(
        f"{title}: built again of {build.source}, it is sha256:{built.sha256}, and the lock pins "
        f"sha256:{wheel.sha256}: " + (" and ".join(filter(None, told)) or "the same files in another archive"),
        next_step=f"push from a machine that has the wheel, or build it anew: cogpack lock -P {wheel.name}",
    )
