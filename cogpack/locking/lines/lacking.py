"""A lock may be older than what we know of lines: then it lacks pins of what they bring, and they are decided anew."""

from cogpack.config import Config
from cogpack.errors import MismatchError
from cogpack.lockfile import Decisions, LockedSandboxed
from cogpack.locking.lines.ground import locked_ground
from cogpack.locking.lines.known_files import known_files
from cogpack.locking.lines.pin_clones import lacks_clones
from cogpack.locking.lines.pin_fetches import lacks_fetches
from cogpack.locking.lines.pin_hub_downloads import HubPins
from cogpack.locking.lines.pip.wheels import lacks_pip_lines
from cogpack.locking.lines.read import locked_lines
from cogpack.run_lines import Fetch, HubDownload


def lacks_pins(config: Config, decisions: Decisions) -> bool:
    """Tell whether the lock was made by who knew less of the lines than we do."""
    lines = locked_lines(config, decisions)
    if lacks_fetches(lines.of(Fetch), decisions.fetches) or lacks_pip_lines(lines.effects, decisions):
        return True
    hub = HubPins.locked(decisions)
    if any(hub.of(download) is None for _, download in lines.of(HubDownload)):
        return True
    if lacks_clones(lines, decisions.clones):
        return True
    try:
        files = known_files(lines.effects, locked_ground(decisions.base, decisions.places))
    except MismatchError:
        return True
    return isinstance(files, LockedSandboxed)
