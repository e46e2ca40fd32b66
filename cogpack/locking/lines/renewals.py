"""Pins of wheels and of known lines of `build.run` are taken out of what a lock keeps: they are decided anew."""

from collections.abc import Collection

import msgspec
from packaging.utils import canonicalize_name

from cogpack.config import Config
from cogpack.config.steps import step_places
from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.lockfile import Decisions
from cogpack.locking.lines.pin_clones import pin_of
from cogpack.locking.lines.pin_hub_downloads import HubPins
from cogpack.locking.lines.read import locked_lines
from cogpack.locking.upgrade import Upgrade
from cogpack.run_lines import Clone, Fetch, HubDownload

_NO_KEY = sha256(b"")
"""Of a pip line that is to be resolved anew."""


def renewed(kept: Decisions, config: Config, upgrade: Upgrade) -> Decisions:
    """Take out the pins of what is to be decided anew: of wheels, and of lines."""
    wanted = {canonicalize_name(name) for name in upgrade.wheels}
    named = {wheel.filename for wheel in (*kept.wheels, *kept.replaced) if wheel.name in wanted}
    kept = _without_wheels(kept, named)
    if upgrade.run:
        return msgspec.structs.replace(kept.before_pip_lines(), fetches=(), hub_revisions=(), hub_files=(), clones=())
    return kept if upgrade.step is None else without_step(kept, config, upgrade.step)


def without_step(kept: Decisions, config: Config, step: int) -> Decisions:
    """Take out the pins of the step that has this index, which one of those that are run has none of."""
    lines = locked_lines(config, kept)
    urls = {effect.url for index, effect in lines.of(Fetch) if index == step}
    clones = [pin_of(effect, kept.clones) for index, effect in lines.of(Clone) if index == step]
    hub = HubPins.locked(kept)
    revisions = [hub.revision(effect) for index, effect in lines.of(HubDownload) if index == step]
    return msgspec.structs.replace(
        _without_pip_line(kept, step),
        fetches=tuple(pin for pin in kept.fetches if pin.url not in urls),
        hub_revisions=tuple(revision for revision in kept.hub_revisions if revision not in revisions),
        clones=tuple(pin for pin in kept.clones if pin not in clones),
    )


def check_step(config: Config, step: int) -> None:
    """Refuse the index of a step that there is not."""
    places = step_places(config)
    if step not in range(len(places)):
        there = f"{places[0].rpartition(' ')[2]} to {places[-1].rpartition(' ')[2]}" if places else "none"
        raise InputError(
            f"--upgrade-run {step}: cog.yaml has no such command; it has {there}",
            next_step="count the commands of build.run, then those of build.pre_install, from 0",
        )


def _without_pip_line(kept: Decisions, step: int) -> Decisions:
    """Take out what pip lines of this step chose, and nothing else did."""
    others = {name for line in kept.pip_lines if line.step != step for name in line.wheels}
    own = {name for line in kept.pip_lines if line.step == step for name in line.wheels if name not in line.again}
    lines = tuple(
        line if line.step != step else msgspec.structs.replace(line, key=_NO_KEY, wheels=(), again=())
        for line in kept.pip_lines
    )
    return _without_wheels(msgspec.structs.replace(kept, pip_lines=lines), own - others)


def _without_wheels(kept: Decisions, gone: Collection[str]) -> Decisions:
    """Take out these wheels, by file name, and all that is said of them. Pip lines that laid one are to be resolved
    anew."""
    wheels = tuple(wheel for wheel in kept.wheels if wheel.filename not in gone)
    replaced = tuple(wheel for wheel in kept.replaced if wheel.filename not in gone)
    return msgspec.structs.replace(
        kept,
        wheels=wheels,
        replaced=replaced,
        builds=kept.builds_of((*wheels, *replaced)),
        executable_stacks=tuple(one for one in kept.executable_stacks if one.wheel not in gone),
        clashes=tuple(one for one in kept.clashes if not {one.wheel, *one.over}.intersection(gone)),
        pip_lines=tuple(
            line
            if not (lost := set(line.wheels).intersection(gone))
            else msgspec.structs.replace(line, key=_NO_KEY, wheels=tuple(n for n in line.wheels if n not in lost))
            for line in kept.pip_lines
        ),
    )
