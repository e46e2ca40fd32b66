"""Which Python runs in the image is decided here: the base's own, or one that is laid over it."""

from cogpack.config import Config
from cogpack.lockfile import LockedInterpreter, Python
from cogpack.lockfile.base_kinds import Base
from cogpack.oci import Platform
from cogpack.resolve.interpreter import find_interpreter
from cogpack.session import Session


def decide_interpreter(
    session: Session, config: Config, platform: Platform, base: Base, kept: LockedInterpreter | None
) -> LockedInterpreter | None:
    """Give what `config` asks for and `base` has not: `kept`, where it still is that, else found anew. None: the base's
    own will do."""
    own = base.own_python
    asked = config.python_version or (config.python_minor if config.pack.base is None else None)
    if own is not None and (asked is None or _fits(own, asked)):
        return None
    wanted = asked or config.python_minor
    if kept is not None and f"{kept.version}.".startswith(f"{wanted}."):
        return kept
    return find_interpreter(
        wanted,
        platform.architecture,
        http=session.http,
        environment=session.environment,
        scratch=session.cache,
        where=config.where("build.python_version" if config.python_version else "cogpack.base"),
        debian=config.debian_pythons,
    )


def _fits(own: Python, asked: str) -> bool:
    """Tell whether it is the version asked for, as far as that is known."""
    return asked == own.minor or (asked.startswith(f"{own.minor}.") and own.release in (None, asked))
