"""The weights of a project: which files, how each is cut, and what the lock says of those that only git-lfs has."""

from collections.abc import Sequence

import msgspec

from cogpack.errors import CogpackError
from cogpack.layers.entry import Absent, LocalFile
from cogpack.layers.files import Placed
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.weights import Weight, largest, layer_size
from cogpack.lock import Lock, LockedPart, LockedWeight
from cogpack.plan import Plan
from cogpack.project import Choice, Project, ProjectFile, Rule, not_fetched
from cogpack.runtime.contract import SOURCE


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """`weights`: for the plan; `choices`: why each is cut as it is; `layer_size`: bytes to cut to."""

    weights: tuple[Weight, ...]
    choices: tuple[tuple[ProjectFile, Choice], ...]
    layer_size: int


def gather(project: Project, lock: Lock, files: Sequence[ProjectFile]) -> Gathered:
    """`files`: the project's weights."""
    size = project.config.pack.weights.layer_size or layer_size(sum(file.size for file in files))
    choices = tuple((file, project.split(file, limit=largest(size))) for file in files)
    weights = tuple(
        Weight(
            f"{SOURCE}/{file.path}",
            file.path,
            LocalFile.of(project.root / file.path) if file.pointer is None else None,
            file.size,
            choice.rule,
            file.executable,
            parts=None if file.pointer is None else _from_lock(lock, file, choice.rule),
        )
        for file, choice in choices
    )
    return Gathered(weights=weights, choices=choices, layer_size=size)


def _from_lock(lock: Lock, file: ProjectFile, rule: Rule) -> tuple[Placed, ...]:
    """What a file that is not here was cut into, if the lock has it for the same bytes and the same rule."""
    missing: CogpackError = not_fetched(file)
    for locked in lock.results.weights:
        if file.pointer and (locked.path, locked.oid, locked.rule) == (file.path, file.pointer.oid, rule):
            return tuple(
                Placed(part.path, Fingerprinted(Absent(part.size, missing), part.blake3), file.executable)
                for part in locked.parts
            )
    raise missing


def locked_weights(
    project: Project, gathered: Gathered, plan: Plan, fingerprints: Fingerprints, lock: Lock
) -> tuple[LockedWeight, ...]:
    """What the lock is to remember of the files that git-lfs keeps, so that their pointers suffice elsewhere."""
    before = {weight.path: weight for weight in lock.results.weights}
    found = []
    for weight, (file, choice) in zip(gathered.weights, gathered.choices, strict=True):
        if weight.file is None:
            found.append(before[file.path])
        elif project.in_lfs(file):
            parts = plan.weights[weight.path]
            found.append(
                LockedWeight(
                    path=file.path,
                    oid=fingerprints.sha256(weight.file),
                    size=file.size,
                    rule=choice.rule,
                    parts=tuple(
                        LockedPart(path=part.path, size=part.content.size, blake3=part.content.blake3 or "")
                        for part in parts
                    ),
                )
            )
    return tuple(sorted(found, key=lambda weight: weight.path))
