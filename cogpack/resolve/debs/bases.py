"""Which packages a base of Debian's is, whatever is asked for over it."""

from collections.abc import Sequence

from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe

BASE_PACKAGES = (
    "apt",
    "ca-certificates",
    "debian-archive-keyring",
    "libgomp1",
    "libstdc++6",
    "netbase",
    "openssl",  # brings /usr/lib/ssl/cert.pem, without which Python has no default CA path
    "passwd",
    "python3",
    "tini",
    "tzdata",
)
"""What every image has besides the Essential packages: a shell, apt, CPython, and what wheels expect to find."""

SLIM_PACKAGES = (
    "base-files",
    "base-passwd",
    "ca-certificates",
    "libc-bin",  # ldconfig, by which ctypes.util.find_library finds libraries; C.UTF-8; nsswitch.conf
    "libgomp1",
    "libstdc++6",
    "netbase",
    "openssl",
    "python3",
    "tini",
    "tzdata",
)
"""What is left of both where nobody is to have a shell in the image."""

_NOT_SLIM = ("debconf", "dpkg", "mawk")
"""What packages of a slim base need for their scripts alone, which nobody runs there: of no use without a shell."""


def base_names(universe: Universe, *, slim: bool) -> Sequence[str]:
    """Name what a base has, which brings what it needs."""
    return SLIM_PACKAGES if slim else (*BASE_PACKAGES, *universe.essential())


def solve_base(universe: Universe, names: Sequence[str], *, slim: bool) -> Sequence[DebCandidate]:
    """Choose what `names` need where nothing is yet."""
    lacking = [name for name in _NOT_SLIM if name not in names] if slim else []
    taken_as_there = [one for name in lacking if (one := universe.newest(name)) is not None]
    return solve(universe, names, base=taken_as_there).packages
