"""Steps are run: the layers below are laid into a tree, the commands run over it, and what they changed is captured."""

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cogpack.config import RunStep, SecretMount
from cogpack.disk import UNFINISHED
from cogpack.errors import InputError
from cogpack.layers.layer import Form
from cogpack.layers.wheels.venv import LAUNCHER
from cogpack.planning.steps.apt_mirror import mirrored
from cogpack.planning.steps.failed_step import failed_step, stopped_step
from cogpack.planning.steps.said import Said
from cogpack.planning.steps.steps import DEBS, Runner, Steps, blob_of
from cogpack.progress import Progress
from cogpack.runtime import contract
from cogpack.sandbox import standins
from cogpack.sandbox.capture.capture import Captured, capture
from cogpack.sandbox.capture.dropped import Dropped
from cogpack.sandbox.capture.secrets import find_secrets, without_secrets
from cogpack.sandbox.capture.snapshot import Snapshot
from cogpack.sandbox.guest import Command, Guest
from cogpack.sandbox.outside import outside, proxy_secrets
from cogpack.sandbox.rungs.choice import Findings, Rung, choose_for, probe
from cogpack.sandbox.rungs.proot import Proot
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.laid import LaidTree
from cogpack.sandbox.trees.lay import contents, lay
from cogpack.sandbox.trees.store import Trees
from cogpack.sandbox.watch import LimitError, Limits
from cogpack.text import count_text, size_text

_NAMED = 4
"""Paths with what was dropped that are named."""
PROCESSES = 10_000
"""At a time: more than compilers take on hundreds of cores, and what a machine survives."""
_NOT_HERE = "install it by apt-get in build.run, where there is a network, or choose a base that has it (cogpack.base)"

_NAMES = """
mkdir -p /usr/local/bin /usr/local/lib/python{python}
cd /usr/local/bin && for name in python python3 pip; do
  [ -e $name ] || [ -L $name ] && continue
  [ $name = pip ] && ln -s /{venv}/bin/pip . || {{ printf %s '{launcher}' > $name; chmod 755 $name; }}
done
cd /usr/local/lib/python{python} && [ -e site-packages ] || ln -s /{venv}/lib/python{python}/site-packages site-packages
"""
"""Commands of steps and sources name Python so, since it is there in Cog's own images."""


@contextmanager
def ran(steps: Steps, runner: Runner) -> Iterator[Captured]:
    """Run them; what they changed can be read as long as the `with` lasts. Nobody else may run them in that cache."""
    findings = probe(runner.scratch)
    try:
        rung, emulated = choose_rung(runner, findings)
    except InputError as error:
        if not steps.instead:
            raise
        raise InputError(error.message, next_step=f"{error.next_step}; or write {steps.instead}") from error
    place = runner.scratch / f"{UNFINISHED}{steps.key.removeprefix('sha256:')[:16]}"
    remove_tree(place)  # of a run that was killed
    try:
        tree = _lay(steps, runner, place, owned=not rung.one_user)
        proot = runner.proot(tree.root, place / "proot") if rung is Rung.PROOT else None
        emulator = runner.emulator(place / "emulator") if emulated else None
        with mirrored(tree.root, runner.mirrors):
            before = Snapshot.of(tree.root)
            _run_all(steps, runner, tree, rung, proot, emulator, metadata=findings.listener is not None)
        captured = capture(tree, before, keep=steps.keep)
        _tell_of_dropped(captured.dropped, steps, runner.progress)
        _check_secrets(captured, steps, runner)
        yield captured
    finally:
        remove_tree(place)


def chosen_rung(runner: Runner) -> Rung:
    """Say how steps are run here, if they can be; an `InputError` that says what helps."""
    return choose_rung(runner, probe(runner.scratch))[0]


def choose_rung(runner: Runner, findings: Findings, *, owners: bool = True) -> tuple[Rung, bool]:
    """Choose the rung; tell whether programs need an emulator of ours there. `owners`: as `choose` has it."""
    machine = f"cogpack lock --run on a machine of {runner.architecture}, and a commit of the lock"
    return choose_for(runner.architecture, runner.isolation, findings, owners=owners, elsewhere=machine)


def _run_all(
    steps: Steps,
    runner: Runner,
    tree: LaidTree,
    rung: Rung,
    proot: Proot | None,
    emulator: Path | None,
    *,
    metadata: bool,
) -> None:
    """`metadata`: whether a cloud's can be reached, since nothing here could refuse it."""
    runner.progress.summary(f"{steps.name}, isolated by {rung}{', emulated: many times slower' if emulator else ''}")
    numbered = list(zip(steps.numbers, steps.commands, strict=True))
    if steps.python:
        names = _NAMES.format(venv=contract.VENV, launcher=LAUNCHER, python=steps.python)
        numbered.insert(0, (0, RunStep(command=names)))
    given = outside(runner.variables, runner.authorities())
    environment = {**given.around(steps.environment), "APT_CONFIG": standins.APT_CONFIG}
    limits = Limits(seconds=runner.limits.time, idle=runner.limits.idle, size=runner.limits.size, processes=PROCESSES)
    laid = [*standins.debian(given.authorities), *given.standins]
    if steps.debs:
        laid.append(standins.Directory(DEBS))
        laid += [standins.Copy(f"{DEBS}/{deb.name}.deb", deb.locate().open) for deb in steps.debs]
    for number, step in numbered:
        files = [standins.File(_seen_at(steps, one), runner.secrets[one.id], 0o400) for one in step.secrets]
        with Guest(
            tree.root,
            rung,
            owners=tree.owners,
            network=runner.network and not steps.debs,
            metadata=metadata,
            standins=[*laid, *files],
            proot=proot,
            emulator=emulator,
        ) as guest:
            where = f"[{number}/{steps.total}]" if number and not steps.debs else steps.subject
            place = runner.places[number - 1] if number else "names for Python"
            command = Command(("/bin/sh", "-c", step.command), environment, steps.directory)
            said = Said(partial(_tell, runner.progress, where), runner.secrets.values())
            try:
                status = guest.run(command, said.hear, cancellation=runner.cancellation, limits=limits)
            except LimitError as error:
                said.end()
                raise stopped_step(place, step.command, error, said.last, runner.scratch) from error
            said.end()
        if status:
            failure = failed_step(place, step.command, status, said.last, rung, runner.scratch)
            raise InputError(failure.message, next_step=_NOT_HERE) if steps.debs else failure


def _seen_at(steps: Steps, secret: SecretMount) -> str:
    """Say where a step sees a secret, without the first slash."""
    return posixpath.normpath(posixpath.join("/", steps.directory, secret.target)).lstrip("/")


def _lay(steps: Steps, runner: Runner, place: Path, *, owned: bool) -> LaidTree:
    """Lay what they see. The tree of the layers that are shared is kept, and copied: to unpack them takes most of the
    time where wheels are few."""
    size = sum(layer.size(Form.STORED) or 0 for layer in steps.seen)
    task = runner.progress.task(f"the files that {steps.name.removeprefix('run: ')} see", size or None, "unpack")
    lain = partial(lay, owned=owned, jobs=runner.jobs, cancellation=runner.cancellation, on_bytes=task.advance)
    shared, above = steps.seen[: steps.shared], steps.seen[steps.shared :]
    with runner.laying.timed(size):
        if shared:
            kept = Trees(runner.cache, runner.seal).get(
                [layer.contents for layer in shared],
                owned=owned,
                lay=lambda new: lain(new, [contents(blob_of(layer)) for layer in shared], readable=True),
            )
            lain = partial(lain, below=kept.put)
        tree = lain(place, [contents(blob_of(layer)) for layer in above])
    task.done("")
    return tree


def _tell(progress: Progress, where: str, line: str) -> None:
    progress.summary(f"{where} {line}")


def _tell_of_dropped(dropped: Sequence[Dropped], steps: Steps, progress: Progress) -> None:
    if not dropped:
        return
    files, size = sum(one.files for one in dropped), sum(one.size for one in dropped)
    named = [f"/{one.path} ({one.reason})" for one in sorted(dropped, key=lambda one: (-one.size, one.path))]
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    progress.summary(
        f"{steps.name}: left out {count_text(files, 'file')}, {size_text(size)}: {', '.join(named[:_NAMED] + more)}"
    )


def _check_secrets(captured: Captured, steps: Steps, runner: Runner) -> None:
    """Refuse what they left if a secret is in it: one that they mounted, or what the variables of proxies have."""
    hidden = {f"secret {name}": secret for name, secret in runner.secrets.items()} | proxy_secrets(runner.variables)
    for hit in find_secrets(captured, hidden):
        numbered = zip(steps.numbers, steps.commands, strict=True)
        mounting = [
            runner.places[at - 1] for at, step in numbered if hit.secret in {f"secret {one.id}" for one in step.secrets}
        ]
        raise InputError(
            f"{', '.join(mounting) or steps.subject}: /{without_secrets(hit.path, hidden.values())} has the "
            f"{hit.secret} in it ({hit.where}, {hit.form}), and would be in the image",
            next_step="remove it in the same command that wrote it",
        )
