"""Files of settings, of the base or of a line before, would change what the program of a known line does."""

from collections.abc import Mapping, Sequence

from cogpack.lockfile import LockedSandboxed
from cogpack.locking.lines.ground import Look
from cogpack.run_lines import Clone, Effect, Fetch, MakeDirectories, PipInstall, PipUninstall, StepEffect, touched
from cogpack.run_lines.effects import within

_PIP = (
    *("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/opt/venv/pip.conf"),
    *("/root/.config/pip/pip.conf", "/root/.pip/pip.conf", "/root/.netrc"),
)
_UV = (
    *("/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/root/.config/uv/uv.toml", "/root/.netrc"),
    *("/uv.toml", "/pyproject.toml"),  # of the directory that it begins in
)
_READ: Mapping[type[Effect], tuple[str, Sequence[str]]] = {
    PipInstall: ("pip", _PIP),
    PipUninstall: ("pip", _PIP),
    # Not /etc/wgetrc: the package of Debian has one that says nothing.
    Fetch: ("curl or wget", ("/root/.curlrc", "/root/.config/curlrc", "/root/.wgetrc", "/root/.netrc")),
    Clone: ("git", ("/etc/gitconfig", "/root/.gitconfig", "/root/.config/git/config", "/root/.netrc")),
}
"""Which program an effect is of, and where it reads (docs of pip and uv, "Configuration"; curl(1), wget(1),
git-config(1))."""


def settings_in_the_way(effects: Sequence[StepEffect], look: Look) -> LockedSandboxed | None:
    """Name the first line whose program finds such a file, of the base or of a line before it."""
    made: set[str] = set()
    for one in effects:
        program, places = _read(one.effect)
        if found := next((path for path in places if path in made or _is_there(look, path)), None):
            return LockedSandboxed(step=one.step, why=f"{found} may change what {program} does")
        if not isinstance(one.effect, MakeDirectories):
            every = {*_UV, *(path for _, places in _READ.values() for path in places)}
            made |= {path for path in every for root in touched(one.effect) if within(path, root)}
    return None


def _read(effect: Effect) -> tuple[str, Sequence[str]]:
    if isinstance(effect, PipInstall | PipUninstall) and effect.installer == "uv":
        return "uv", _UV
    return _READ.get(type(effect), ("", ()))


def _is_there(look: Look, path: str) -> bool:
    place = look(path.lstrip("/"))
    return place is not None and place.kind != "absent"
