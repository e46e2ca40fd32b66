"""What a lock of another format costs: the layers that come out otherwise, which every target lacks."""

from collections.abc import Iterator

import msgspec

from cogpack.errors import InputError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.layer import Form
from cogpack.lockfile import Lock
from cogpack.planning.describing import describe_locked
from cogpack.planning.known import known_layers
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import open_fingerprints, plan_image
from cogpack.project import Project, each_platform
from cogpack.session import Session


class MovingLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of the new lock's image. `size`: bytes as stored, None where only building tells; `about`: bytes of the
    packages that it is made of. `moves`: the old lock's image has no such layer; None where nobody can tell, since no
    run has read its files yet."""

    name: str
    size: int | None
    about: int | None
    moves: bool | None


def moving_layers(session: Session, project: Project, before: Lock | None, after: Lock) -> tuple[MovingLayer, ...]:
    """List those that move or may move, bottom first, of the project as it is now: nothing is built for it.

    An `InputError` where one of the two images can't be planned: the old format is no longer built, or weights that it
    split otherwise are not here.
    """
    for platform in project.config.pack.platforms:
        if before is None or before.format not in session.formats or platform not in before.platforms:
            raise InputError(
                f"there was no lock for {platform} of a format that this cogpack builds", next_step="see cogpack plan"
            )
    if before is None or before.decisions == after.decisions:
        return ()
    found: list[MovingLayer] = []
    seen: set[str] = set()
    for one in each_platform(project):
        its = list(_moving(session, one, before, after))
        found += [layer for key, layer in its if key not in seen]
        seen |= {key for key, _ in its}
    return tuple(found)


def _moving(session: Session, project: Project, before: Lock, after: Lock) -> Iterator[tuple[str, MovingLayer]]:
    """Give those of one platform, by their keys or, of files that nobody has read, names."""
    old, new = _plan(session, project, before), _plan(session, project, after)
    keys = {layer.key for layer in old.layers if layer.key is not None}
    sizes = {layer.size(Form.PLAIN) for layer in old.layers if layer.key is None}
    known = known_layers(new, after.results, session.facts)
    for layer in new.layers:
        if layer.key is None or layer.key not in keys:
            yield (
                layer.key or layer.name,
                MovingLayer(
                    name=layer.name,
                    size=known.size(layer),
                    about=new.fetched(layer),
                    # Of files that nobody has read, another size is proof enough.
                    moves=None if layer.key is None and layer.size(Form.PLAIN) in sizes else True,
                ),
            )


def _plan(session: Session, project: Project, lock: Lock) -> Plan:
    described = describe_locked(project, lock)
    plan = plan_image(session, project, lock, described, open_fingerprints(session, project))[0]
    for layer in plan.own:
        if isinstance(layer, BuiltLayer):
            layer.read()
    return plan
