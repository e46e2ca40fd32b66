"""What was compiled against torch finds there what it calls, before a model's import says that it does not."""

from collections.abc import Sequence

from cogpack.elf import MACHINES
from cogpack.errors import InputError
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.undefined import undefined_symbols
from cogpack.locking.wheels.building import Source
from cogpack.resolve.wheels.torch import BUILT
from cogpack.session import Session


def check_symbols(session: Session, source: Source, built: WheelFile, beside: Sequence[WheelFile], arch: str) -> None:
    """Refuse a wheel that was built with torch `beside` it and wants what neither that nor another of them has."""
    if built.filename.endswith("-any.whl") or not any(_project(wheel) in BUILT for wheel in beside):
        return
    found = undefined_symbols(built, beside, session.wheel_libraries.of, MACHINES[arch])
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise InputError(
            f"{source.title}: {found[0].by} of its wheel wants {found[0].symbol:.200}{more}, which neither torch nor "
            "another library that it is linked with has",
            next_step="its sources are for another torch: pin a version of it that is for this one, or that torch",
        )


def _project(wheel: WheelFile) -> str:
    return wheel.filename.partition("-")[0]
