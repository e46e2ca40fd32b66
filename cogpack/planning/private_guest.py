"""A program of others is run over the tree of an image as a guest that finds nobody else: no network, and no secret.

What builds wheels and what compiles bytecode runs so (`building/guest`, `guest_python`); commands of `build.run` are
given more (`steps/run`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from cogpack.planning.steps.run import choose_rung
from cogpack.planning.steps.steps import Runner
from cogpack.sandbox.guest import Command, Guest
from cogpack.sandbox.rungs.choice import Rung, probe
from cogpack.sandbox.standins import StandIn
from cogpack.sandbox.trees.lay import Recipe, lay
from cogpack.sandbox.trees.store import StoredTree
from cogpack.sandbox.watch import Limits


class Way(msgspec.Struct, frozen=True):
    """Is how `runner` runs it: `emulated`, over what is laid by overlayfs or over a copy."""

    runner: Runner
    rung: Rung
    emulated: bool
    overlays: bool

    @property
    def owned(self) -> bool:
        """Tell whether files of its tree have their owners."""
        return not self.rung.one_user

    def run(
        self,
        lower: StoredTree,
        place: Path,
        command: Command,
        hear: Callable[[bytes], None],
        *,
        recipes: Sequence[Recipe] = (),
        between: Sequence[Path] = (),
        files: Sequence[StandIn],
        limits: Limits,
    ) -> tuple[int, Path]:
        """Run `command` over `lower`, which stays as it is, with `recipes` laid above and `files` for the time of the
        run. `between`: trees that lie between, where it `overlays`; they stay as they are, too.

        Give its status, and the root of the tree in `place`, where nothing runs any more; it is the caller's to remove.
        """
        runner = self.runner
        tree = lay(
            place,
            recipes,
            owned=self.owned,
            jobs=runner.jobs,
            cancellation=runner.cancellation,
            below=(lambda *_: None) if self.overlays else lower.put,
        )
        tree.root.chmod(0o755)
        with Guest(
            tree.root,
            self.rung,
            owners=None,
            network=False,
            standins=files,
            proot=runner.proot(tree.root, place / "proot") if self.rung is Rung.PROOT else None,
            emulator=runner.emulator(place / "emulator") if self.emulated else None,
            lower=[*between, lower.root] if self.overlays else [],
        ) as guest:
            return guest.run(command, hear, cancellation=runner.cancellation, limits=limits), tree.root


def way_of(runner: Runner) -> Way:
    """Choose it; `InputError` where nothing can be run over the tree of an image here."""
    findings = probe(runner.scratch)
    rung, emulated = choose_rung(runner, findings, owners=False)
    return Way(runner, rung, emulated, rung in findings.overlays)
