"""`cogpack export`: the wheels of the lock, for pip and uv."""

from typing import Literal, TypeAlias

from cogpack.errors import UnavailableError
from cogpack.lockfile import IndexSource, LockedWheel
from cogpack.locking.current import current_lock
from cogpack.locking.wheels.addresses import wheel_addresses
from cogpack.locking.wheels.exported import pylock, requirements_file
from cogpack.locking.wheels.indexes import indexes_of
from cogpack.planning.describing import find_described
from cogpack.requirements.model import anonymous
from cogpack.resolve.pip import Pages
from cogpack.session import Session

ExportFormat: TypeAlias = Literal["pylock.toml", "requirements.txt"]


def export(session: Session, *, form: ExportFormat = "pylock.toml") -> bytes:
    """Return the image's wheels as a lock of PEP 751, for which indexes are asked where each is, or as a requirements
    file with hashes, for which nobody is asked.

    What commands of `build.run` install as they are run is no wheel of the lock.
    """
    project = find_described(session)
    platform = project.config.pack.platform
    lock = current_lock(session, project, writes=False, locked=session.settings.locked)
    decisions = lock.platforms[platform]
    if form == "requirements.txt":
        return requirements_file(decisions, platform)
    indexes = indexes_of(session, project, project.requirements(), decisions.torch_index)
    built = {build.wheel for build in decisions.builds}
    listed = [
        wheel for wheel in decisions.wheels if wheel.url is None and wheel.path is None and wheel.filename not in built
    ]
    pages = Pages(session.http, indexes, None)

    def address(file: LockedWheel | IndexSource, name: str) -> str:
        found = (
            pages.find(name, file.filename, file.sha256)
            if isinstance(file, IndexSource)
            else next(iter(addresses.get(file.sha256, ())), None)
        )
        if found is None:
            raise UnavailableError(
                f"no package index that is configured has {file.filename}, and a lock of PEP 751 says where files are",
                next_step="configure the index that has it, or cogpack export --format requirements.txt",
            )
        return anonymous(found)

    with indexes.hiding():
        addresses = wheel_addresses(session, project, decisions, indexes, listed)
        return pylock(decisions, platform, address)
