"""What another lock has can be taken, so that the projects of a fleet share it: its Debian base, and its versions."""

from typing import Literal

import msgspec

from cogpack.disk import open_regular
from cogpack.errors import InputError
from cogpack.lockfile import LOCK_LIMIT, Decisions, parse_lock
from cogpack.lockfile.base_kinds import Base, DebianBase, RegistryBase
from cogpack.project import Project


class SharedBase(msgspec.Struct, frozen=True):
    """Is a base and the lock that has it, by the name that cog.yaml calls it. `wanted`: no other base will do."""

    name: str
    base: DebianBase
    wanted: bool = True


class SharedImage(msgspec.Struct, frozen=True):
    """Is the same of an image of a registry, as it was when that lock was made."""

    name: str
    base: RegistryBase
    wanted: bool = True


def is_shared(base: Base, shared: SharedBase | SharedImage) -> bool:
    """Tell whether `base` is the one that is `shared`, or another one will do."""
    match shared, base:
        case SharedBase(base=its), DebianBase() if (its.suite, its.slim, its.arch) == (
            base.suite,
            base.slim,
            base.arch,
        ):
            return [deb.sha256 for deb in base.packages] == [deb.sha256 for deb in its.packages]
        case SharedImage(base=image), RegistryBase() if image.reference == base.reference:
            return base.digest == image.digest
    return not shared.wanted


def read_other(
    project: Project, key: Literal["debian_base_from", "constraints_from"]
) -> tuple[str, bytes, Decisions] | None:
    """Read the lock that a key of `cogpack` names, and give that name, its text, and what it has for the platform."""
    config = project.config
    name = getattr(config.pack, key)
    if name is None:
        return None
    where = f"{config.where(f'cogpack.{key}')}: {name}"
    try:
        with open_regular(project.root / name) as stream:
            data = stream.read(LOCK_LIMIT + 1)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}", next_step="name a lock, as seen from cog.yaml") from error
    decisions = parse_lock(data, path=name).platforms.get(config.pack.platform)
    if decisions is None:
        raise InputError(
            f"{where}: has nothing for {config.pack.platform}",
            next_step=f"lock the project that it is of with --platform {config.pack.platform}",
        )
    return name, data, decisions


def read_shared_base(project: Project) -> SharedBase | SharedImage | None:
    """Read the base of the lock that `cogpack.debian_base_from` names, which must be of the kind of the project's, else
    of that of `constraints_from`, if it is."""
    config = project.config
    wanted = read_other(project, "debian_base_from")
    if (found := wanted or read_other(project, "constraints_from")) is None:
        return None
    name, _, decisions = found
    match decisions.base:
        case DebianBase() if config.pack.base is None:
            return SharedBase(name, decisions.base, wanted=wanted is not None)
        case RegistryBase() if config.pack.base is not None:
            return SharedImage(name, decisions.base, wanted=wanted is not None)
    if wanted is None:
        return None
    where = f"{config.where('cogpack.debian_base_from')}: {name}"
    if config.pack.base is None:
        raise InputError(
            f"{where}: its base is {decisions.base.title}, and no Debian packages",
            next_step="name the lock of a project without cogpack.base",
        )
    raise InputError(
        f"{where}: its base is Debian packages, and this project's is {config.pack.base}",
        next_step="name the lock of a project with this cogpack.base, or leave out one of the two",
    )
