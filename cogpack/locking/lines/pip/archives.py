"""Source archives that a pip line's index has, where it has no wheel: pip would build them, and so it is done here."""

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from cogpack.errors import InputError
from cogpack.locking.lines.pip.files import Said
from cogpack.locking.lines.pip.sources import brief, check_environment
from cogpack.locking.sources.direct import DirectWheel, DirectWheels
from cogpack.locking.wheels.building import Source
from cogpack.locking.wheels.built import first_fetch
from cogpack.resolve.pip import Package, UnforeseenError
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.session import Session

MakeWheel: TypeAlias = Callable[[Package, str], DirectWheel]
"""Makes the wheel of a package of which there is source alone, at an address; `UnforeseenError`."""


def make_wheel_of(
    session: Session, direct: DirectWheels | None, said: Said, neighbours: Neighbours, place: str
) -> MakeWheel:
    """Say how that is done for a line that stands at `place`: where need be among its `neighbours`."""
    effect = said.effect

    def make(package: Package, address: str) -> DirectWheel:
        offer = package.file
        assert offer is not None
        title = f"{package.name} {package.version}"
        if direct is None or not direct.can_build or effect.installer != "pip":
            raise UnforeseenError(f"{title} has no wheel for this Python: {effect.installer} would build it")
        own = effect.options
        if said.indexed or own.index_url or own.extra_index_urls or own.find_links:
            raise UnforeseenError(f"{title} has no wheel for this Python: pip would build it, of an index of its own")
        check_environment(effect, title)
        if offer.sha256 is None and urlsplit(address).scheme != "file":
            raise UnforeseenError(f"{title} has no wheel for this Python, and its source no hash")
        pin, path = first_fetch(session, package.name, offer, address)
        source = Source(
            title=title,
            path=path,
            name=package.name,
            version=str(package.version),
            neighbours=neighbours,
            isolated=effect.build_isolation,
        )
        found = direct.make_of_index(source, pin, place)
        if isinstance(found, InputError):
            raise UnforeseenError(brief(found.message))
        check_environment(effect, title, found.wheel.filename)
        return found

    return make
