"""Known lines of `build.run` are decided: what they bring is pinned, one function a kind of effect.

Such a function takes the session, the effects of its kind with their steps' indexes (`Lines.of`) and the pins that are
kept, and gives the pins, and a `LockedSandboxed` of each step that the outside world says to be another than its line
reads. Then all lines are read anew, since those that follow it have another meaning, too.
"""

from collections.abc import Callable
from functools import cache, partial

import msgspec

from cogpack.config.steps import step_places
from cogpack.images.interface import trying
from cogpack.lockfile import LockedClone, LockedFetch, LockedPlace, LockedSandboxed
from cogpack.lockfile.base_kinds import Base, RegistryBase
from cogpack.locking.below import Below
from cogpack.locking.lines.cloned import read_cloned
from cogpack.locking.lines.ground import RegistryGround, beside_packages, debian_place, local_looks
from cogpack.locking.lines.known_files import KnownFiles, known_files
from cogpack.locking.lines.pin_clones import pin_clones
from cogpack.locking.lines.pin_fetches import pin_fetches
from cogpack.locking.lines.pin_hub_downloads import HubPins, pin_hub_downloads
from cogpack.locking.lines.pip.applied import AppliedLines
from cogpack.locking.lines.pip.lines import PipLines
from cogpack.locking.lines.program_settings import settings_in_the_way
from cogpack.locking.lines.read import read_lines
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.sources.direct import DirectWheels
from cogpack.locking.weights.remote import probing
from cogpack.reference import Reference
from cogpack.resolve.base_image import BaseFiles, list_base_image
from cogpack.resolve.wheels.resolver import Resolved
from cogpack.run_lines import Fetch, HubDownload
from cogpack.session import Session


class DecidedLines(msgspec.Struct, frozen=True, kw_only=True):
    """Is what the lock says of known lines: see `Decisions`. `pip`: what pip lines made of the wheels."""

    pip: AppliedLines
    sandboxed: tuple[LockedSandboxed, ...] = ()
    places: tuple[LockedPlace, ...] = ()
    fetches: tuple[LockedFetch, ...] = ()
    hub: HubPins = HubPins()
    clones: tuple[LockedClone, ...] = ()


def decide_lines(question: PlatformQuestion, below: Below, resolved: Resolved, direct: DirectWheels) -> DecidedLines:
    """Read the lines and pin what they bring, until nothing speaks against what was read. `resolved`: what the project
    requires, over which pip lines are; `direct`: makes the wheels of sources. Of what another platform has, pins are
    taken where there are none of its own."""
    session, project, kept, base = question.session, question.project, question.kept, below.base
    config, python = project.config, below.python
    before = [one for one in (kept, question.beside) if one]
    fetches = tuple(pin for one in reversed(before) for pin in one.fetches)
    hub = HubPins(
        tuple(revision for one in before for revision in one.hub_revisions),
        tuple(dict.fromkeys(file for one in before for file in one.hub_files)),
    )
    clones = tuple(pin for one in before for pin in one.clones)
    ground = RegistryGround(
        kept.places if kept and kept.base == base else (),
        cache(partial(_listed, session, base, below.files)),
    )
    sandboxed: tuple[LockedSandboxed, ...] = ()
    pip_lines = PipLines(session, project, resolved, below.ground.target, kept, python=python.release, direct=direct)
    while True:
        lines = read_lines(config, base, python.minor, sandboxed)
        ground.seen.clear()
        look = beside_packages(base, ground) if isinstance(base, RegistryBase) else debian_place
        files = known_files(lines.effects, look)
        cloned = files.clones if isinstance(files, KnownFiles) else ()
        refused = [files] if isinstance(files, LockedSandboxed) else []
        if settings := settings_in_the_way(lines.effects, look):
            refused.append(settings)
        if not refused:  # pip lines read files of clones
            clones, unlike = pin_clones(session, config, base, lines, cloned, clones)
            refused += unlike
        if not refused:
            pip = pip_lines.apply(lines.effects, partial(read_cloned, session, clones), clones)
            refused += pip.sandboxed
        if not refused:
            fetches, found = pin_fetches(session, lines.of(Fetch), fetches, step_places(config), probed=probing(config))
            refused += found
        if not refused:
            hub, too_many = pin_hub_downloads(session, lines.of(HubDownload), hub, step_places(config))
            refused += too_many
        if not refused:
            if isinstance(base, RegistryBase) and config.run:
                for path in local_looks(python.minor):
                    ground(path)
            places = tuple(place for _, place in sorted(ground.seen.items()))
            for one in sorted(sandboxed, key=lambda one: one.step):
                session.progress.summary(f"{step_places(config)[one.step]} will be run: {one.why}")
            return DecidedLines(pip=pip, sandboxed=sandboxed, places=places, fetches=fetches, hub=hub, clones=clones)
        sandboxed = (*sandboxed, min(refused, key=lambda one: one.step))


def _listed(session: Session, base: Base, listed: BaseFiles | None) -> Callable[[str], LockedPlace]:
    if listed is None:
        assert isinstance(base, RegistryBase)
        reference = Reference.parse(base.reference)
        images = session.images(reference)
        layers = base.layers
        listed = trying(lambda: list_base_image(reference, layers, images, session.progress, session.listings), images)
    return listed.place
