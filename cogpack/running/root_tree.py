"""The tree that a container sees is kept in the machine's cache. Each layer of large wheels lies in one of its own, so
that another small requirement, or another model with the same torch, lays none of them anew.

An overlay shows the trees as one (overlayfs has several lower directories). That is what laying one layer after the
other gives only where they agree on what both have, which is looked up before; else all lies in one tree.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeGuard

from cogpack.artifacts.supply import Input
from cogpack.layers.entry import File
from cogpack.layers.wheels.source import WheelsSource
from cogpack.running.bundle import Named
from cogpack.sandbox.trees.laid import Laid, LaidTree
from cogpack.sandbox.trees.lay import Layer, Recipe, lay
from cogpack.sandbox.trees.store import StoredTree, Trees
from cogpack.session import Session
from cogpack.sizes import MiB

_LARGE = 50 * MiB
"""Of a layer: torch, and CUDA's libraries."""


def kept_tree(session: Session, name: str, layers: Named, inputs: Sequence[Input], *, owned: bool) -> StoredTree:
    """Give the tree of `layers`, the lowest of which comes first; where it is not kept, it is laid of `inputs`."""

    def made(place: Path) -> LaidTree:
        session.supply.wait(inputs)
        task = session.progress.task(name, None, "unpack")
        tree = lay(
            place,
            [layer for _, layer in layers],
            owned=owned,
            readable=True,
            jobs=session.settings.jobs,
            cancellation=session.cancellation,
            on_bytes=task.advance,
        )
        task.done("unpacked")
        return tree

    return Trees(session.kept, session.seal).get([names for names, _ in layers], owned=owned, lay=made)


def kept_trees(
    session: Session, name: str, layers: Named, inputs: Sequence[Input], *, owned: bool, overlaid: bool
) -> tuple[StoredTree, ...]:
    """Give trees that show `layers` together, the highest first: all that is small, then each that is large; one tree
    where that would not be the same, or nothing is `overlaid`."""
    tree = partial(kept_tree, session, inputs=inputs, owned=owned)
    large = [(names, layer) for names, layer in layers if _is_large(layer)]
    last = max(map(layers.index, large), default=0)
    # Above them, commands may have removed what they hold.
    if not (overlaid and large) or any(not isinstance(layer, Recipe) for _, layer in layers[last:]):
        return (tree(name, layers),)
    trees = [tree(one[1].source.name, (one,)) for one in reversed(large)]
    trees.insert(0, tree(name, tuple(one for one in layers if one not in large)))
    disagreed = set(_disagreed([one.laid for one in trees]))
    if disagreed and not disagreed <= _files(layers[last + 1 :]):
        return (tree(name, layers),)
    return tuple(trees)


def _is_large(layer: Layer) -> TypeGuard[Recipe]:
    return isinstance(layer, Recipe) and isinstance(layer.source, WheelsSource) and layer.size >= _LARGE


def _disagreed(trees: Sequence[Mapping[str, Laid]]) -> Iterator[str]:
    """Give the paths of which one tree has something else than another."""
    found: dict[str, Laid] = {}
    for tree in trees:
        for path, one in tree.items():
            other = found.setdefault(path, one)
            if other is not one and _look(other) != _look(one):
                yield path


def _look(one: Laid) -> tuple[object, ...]:
    return one.kind, one.mode, one.uid, one.gid, one.digest, one.target, one.capability


def _files(layers: Named) -> set[str]:
    sources = [layer.source for _, layer in layers if isinstance(layer, Recipe)]
    return {entry.path for source in sources for entry in source.entries() if isinstance(entry, File)}
