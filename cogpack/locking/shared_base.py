"""The Debian base of another lock can be taken, so that the projects of a fleet share one."""

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile import parse_lock
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.project import Project


class SharedBase(msgspec.Struct, frozen=True):
    """Is a base and the lock that has it, by the name that cog.yaml calls it."""

    name: str
    base: DebianBase


def read_shared_base(project: Project) -> SharedBase | None:
    """Read the lock that `cogpack.debian_base_from` names; None where it names none, or the base is another kind's."""
    config = project.config
    name = config.pack.debian_base_from
    if name is None or config.pack.base is not None:
        return None
    where = f"{config.where('cogpack.debian_base_from')}: {name}"
    try:
        data = (project.root / name).read_bytes()
    except OSError as error:
        raise InputError(
            f"{where}: {error.strerror}", next_step="name a cogpack.lock, as seen from cog.yaml"
        ) from error
    decisions = parse_lock(data, path=name).platforms.get(config.pack.platform)
    if decisions is None:
        raise InputError(
            f"{where}: has nothing for {config.pack.platform}",
            next_step=f"run cogpack lock --platform {config.pack.platform} there",
        )
    if not isinstance(decisions.base, DebianBase):
        raise InputError(
            f"{where}: its base is {decisions.base.title}, and no Debian packages",
            next_step="name the lock of a project without cogpack.base",
        )
    return SharedBase(name, decisions.base)
