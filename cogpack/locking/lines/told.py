"""What a known line of `build.run` does is told in a few words, with what the lock pins it to."""

from collections.abc import Iterator

from cogpack import run_lines
from cogpack.lockfile import Decisions, LockedPipLine
from cogpack.locking.lines.pin_clones import pin_of
from cogpack.locking.lines.pin_hub_downloads import HubPins
from cogpack.text import count_text, size_text

_WHEELS_TOLD = 8
"""Of those that a pip line lays."""


def told_of(effect: run_lines.Effect, decisions: Decisions, pip_lines: Iterator[LockedPipLine]) -> str:
    """Say what an effect does, and what it is pinned to; `pip_lines`: of this step, as far as they aren't told."""
    pinned = ""
    if isinstance(effect, run_lines.PipInstall | run_lines.PipUninstall):
        line = next(pip_lines)
        wheels = decisions.known_wheels
        more = f" and {len(line.wheels) - _WHEELS_TOLD} more" if len(line.wheels) > _WHEELS_TOLD else ""
        first = (wheels[filename] for filename in line.wheels[:_WHEELS_TOLD])
        laid = ", ".join(f"{wheel.name} {wheel.version}" for wheel in first) + more
        pinned = f", which lays {laid}" if laid else "" if line.removed else ", which changes nothing"
    if isinstance(effect, run_lines.Fetch):
        pin = next(pin for pin in decisions.fetches if pin.url == effect.url)
        pinned = f", pinned to sha256:{pin.sha256[:12]} ({size_text(pin.size)})"
    if isinstance(effect, run_lines.HubDownload):
        hub = HubPins.locked(decisions)
        files, at = hub.of(effect) or (), hub.revision(effect)
        size = size_text(sum(file.size for file in files))
        pinned = f", pinned to {at.commit[:12]} ({count_text(len(files), 'file')}, {size})" if at else ""
    if isinstance(effect, run_lines.Clone) and (clone := pin_of(effect, decisions.clones)):
        pinned = f", pinned to {clone.commit[:12]}"
    return run_lines.told(effect) + pinned
