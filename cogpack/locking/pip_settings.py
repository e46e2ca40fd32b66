"""pip's own files of settings (pip docs, "Configuration") would change what a line does."""

from collections.abc import Sequence

from cogpack.lockfile import LockedSandboxed
from cogpack.locking.ground import Look
from cogpack.run_lines import MakeDirectories, PipInstall, PipUninstall, StepEffect, touched
from cogpack.run_lines.site import within

_PLACES = (
    *("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/opt/venv/pip.conf"),
    *("/root/.config/pip/pip.conf", "/root/.pip/pip.conf", "/root/.netrc"),
)


def settings_in_the_way(effects: Sequence[StepEffect], look: Look) -> LockedSandboxed | None:
    """Name the first pip line that finds such a file, of the base or of a line before it."""
    made: list[str] = []
    for one in effects:
        if isinstance(one.effect, PipInstall | PipUninstall):
            if not made:
                made += (path for path in _PLACES if _is_there(look, path))
            if made:
                return LockedSandboxed(step=one.step, why=f"{made[0]} may change what pip does")
        elif not isinstance(one.effect, MakeDirectories):
            made += (path for path in _PLACES for root in touched(one.effect) if within(path, root))
    return None


def _is_there(look: Look, path: str) -> bool:
    place = look(path.lstrip("/"))
    return place is not None and place.kind != "absent"
