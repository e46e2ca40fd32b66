"""Source archives that a pip line's index has, where it has no wheel: pip would build them, and so it is done here."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from cogpack.artifacts import Artifact
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.lockfile import IndexSource
from cogpack.locking.lines.pip.files import Said
from cogpack.locking.lines.pip.sources import brief, check_environment
from cogpack.locking.sources.direct import DirectWheel, DirectWheels
from cogpack.locking.wheels.building import Source
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
        if said.indexed or _has_own_index(said):
            raise UnforeseenError(f"{title} has no wheel for this Python: pip would build it, of an index of its own")
        check_environment(effect, title)
        if offer.sha256 is not None:
            digest = Digest(f"sha256:{offer.sha256}")
            artifact = Artifact(offer.filename, digest, offer.size, f"source of {package.name}")
        elif (parts := urlsplit(address)).scheme == "file":
            artifact = session.store.take(offer.filename, [Path(unquote(parts.path)).read_bytes()])
        else:
            raise UnforeseenError(f"{title} has no wheel for this Python, and its source no hash")
        path = session.store.verified(artifact, lambda: [address])[0]
        sha256 = artifact.digest.removeprefix("sha256:")
        pin = IndexSource(filename=offer.filename, sha256=sha256, size=path.stat().st_size)
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


def _has_own_index(said: Said) -> bool:
    options = said.effect.options
    return bool(options.index_url or options.extra_index_urls or options.find_links)
