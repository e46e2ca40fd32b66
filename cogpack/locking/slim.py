"""A slim base has no shell: what can only be run by one is refused when the lock is made."""

from collections.abc import Iterator

from cogpack.config import Config
from cogpack.errors import InputError, together
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.lines.read import locked_lines
from cogpack.locking.recommended import LEAVES_OUT, left_to_recommends


def check_slim(config: Config, decisions: Decisions) -> None:
    """Refuse commands that are run, and packages that dpkg has to install, where nothing can run them."""
    base = decisions.base
    if isinstance(base, DebianBase) and base.slim and (faults := list(_faults(config, decisions, base))):
        raise together(faults)


def _faults(config: Config, decisions: Decisions, base: DebianBase) -> Iterator[InputError]:
    where = config.where("cogpack.base")
    instead = f"write base: debian:{base.suite} under cogpack"
    for one in locked_lines(config, decisions).remaining:
        place = config.where(f"build.run[{one.index}]")
        yield InputError(
            f"{place}: has to be run, and there is no shell in debian:slim ({where})",
            next_step=f"{instead}, or take the command out",
        )
    if base.system_packages.dpkg:
        asked, names = config.where("build.system_packages"), ", ".join(base.system_packages.dpkg)
        yield InputError(
            f"{asked}: dpkg has to install {names}, and is not in debian:slim ({where})",
            next_step=f"write {LEAVES_OUT}, or {instead}" if left_to_recommends(base) else instead,
        )
