"""What another lock has can be taken, so that the projects of a fleet share it: its Debian base, and its versions."""

from typing import Literal

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile import Decisions, parse_lock
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.project import Project


class SharedBase(msgspec.Struct, frozen=True):
    """Is a base and the lock that has it, by the name that cog.yaml calls it. `wanted`: no other base will do."""

    name: str
    base: DebianBase
    wanted: bool = True


def read_other(project: Project, key: Literal["debian_base_from", "constraints_from"]) -> tuple[str, Decisions] | None:
    """Read the lock that a key of `cogpack` names, and give that name and what it has for the platform."""
    config = project.config
    name = getattr(config.pack, key)
    if name is None:
        return None
    where = f"{config.where(f'cogpack.{key}')}: {name}"
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
    return name, decisions


def read_shared_base(project: Project) -> SharedBase | None:
    """Read the base of the lock that `cogpack.debian_base_from` names, else of that of `constraints_from`, if it has
    one; None where the project's base is another kind's."""
    config = project.config
    if config.pack.base is not None:
        return None
    if found := read_other(project, "debian_base_from"):
        name, decisions = found
        if not isinstance(decisions.base, DebianBase):
            where = f"{config.where('cogpack.debian_base_from')}: {name}"
            raise InputError(
                f"{where}: its base is {decisions.base.title}, and no Debian packages",
                next_step="name the lock of a project without cogpack.base",
            )
        return SharedBase(name, decisions.base)
    if found := read_other(project, "constraints_from"):
        name, decisions = found
        if isinstance(decisions.base, DebianBase):
            return SharedBase(name, decisions.base, wanted=False)
    return None
