"""The weights of a project: which files, how each is cut, and what the lock says of those that only git-lfs has."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from cogpack.errors import CogpackError, InputError
from cogpack.layers.content import Absent, LocalFile
from cogpack.layers.files import Placed
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.weights import Weight, largest
from cogpack.layers.weights.complete import FORMATS, incomplete, unsound
from cogpack.layers.weights.cuts import cut_any, read_local
from cogpack.lock import Lock, LockedPart, LockedWeight
from cogpack.locking.managed import (
    LocalWeight,
    local_weights,
    remote_weight,
    shown,
)
from cogpack.locking.weights import cut_size, probing
from cogpack.notes import Note
from cogpack.planning.plan import Plan
from cogpack.project import Choice, Project, ProjectFile, Rule, not_fetched, unused_patterns
from cogpack.runtime.contract import SOURCE
from cogpack.session import Session


class WeightFile(msgspec.Struct, frozen=True, kw_only=True):
    """For people: `path` relative to the project where it is in it; `rule` and `why` it was taken."""

    path: str
    size: int
    rule: Rule
    why: str


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """`weights`: for the plan; `files`: the same, explained; `layer_size`: bytes to cut to.

    `project`: the weights that are files of the project.
    """

    weights: tuple[Weight, ...]
    files: tuple[WeightFile, ...]
    layer_size: int
    project: tuple[tuple[ProjectFile, Weight], ...]


def gather(session: Session, project: Project, lock: Lock) -> Gathered:
    """The project's own weights, then managed ones in the order of their targets."""
    own = [file for file in project.files() if project.is_weight(file)]
    local = local_weights(project)
    size = cut_size(project, own, local, sum(weight.size for weight in lock.weights))
    rules = project.split_rules({shown(weight.path): weight.file.read_bytes for weight in local})
    pairs: list[tuple[ProjectFile, Weight]] = []
    found: list[tuple[Weight, str]] = []
    for file in own:
        choice = rules.choose(file.path, file.size, limit=largest(size))
        place = f"{SOURCE}/{file.path}"
        if file.pointer is None:
            here = LocalFile.of(project.root / file.path)
            choice = _feasible(choice, here, size)
            weight = Weight(place, file.path, here, file.size, choice.rule, file.executable)
        else:
            rule, parts = _from_lock(lock, file, choice, probed=probing(project.config))
            weight = Weight(place, file.path, None, file.size, rule, file.executable, parts=parts)
        pairs.append((file, weight))
        found.append((weight, choice.why))
    for item in sorted(local, key=lambda item: item.path):
        choice = rules.choose(shown(item.path), item.size, limit=largest(size))
        content = LocalFile.of(item.file)
        choice = _feasible(choice, content, size)
        found.append((Weight(item.path, shown(item.path), content, content.size, choice.rule), choice.why))
    found += [(remote_weight(session, locked), f"pinned from {locked.uri}") for locked in lock.weights]
    _check_places(project, [weight for weight, _ in found[len(own) :]])
    for note in _notes(project, local, [weight.name for weight, _ in found]):
        session.progress.note(note)
    return Gathered(
        weights=tuple(weight for weight, _ in found),
        files=tuple(WeightFile(path=w.name, size=w.size, rule=w.rule, why=why) for w, why in found),
        layer_size=size,
        project=tuple(pairs),
    )


def _feasible(choice: Choice, file: LocalFile, size: int) -> Choice:
    """`choice`, unless nobody asked for it and the file can't be cut that way: then it stays whole."""
    if not choice.auto or choice.rule not in ("tensor", "gguf"):
        return choice
    try:
        cut_any(read_local(choice.rule, file), file.path.name, size)
    except InputError as error:
        return Choice("none", error.message.partition(": ")[2] or error.message, auto=True)
    return choice


def _notes(project: Project, local: Sequence[LocalWeight], weights: Sequence[str]) -> Iterator[Note]:
    """What a loader would miss: files that are not there, and files that are not what they are called."""
    managed = {shown(weight.path): weight.file for weight in local}
    paths = {file.path for file in project.files() if file.kind != "directory"} | managed.keys() | set(weights)

    def read(path: str) -> bytes | None:
        with suppress(InputError, OSError):  # too large for an index, or a server's
            return managed[path].read_bytes() if path in managed else project.read(path)
        return None

    yield from unused_patterns(project.config, (file.path for file in project.files() if file.kind == "file"), weights)
    yield from incomplete(paths, read)
    files = {
        file.path: project.root / file.path
        for file in project.files()
        if file.kind == "file" and file.pointer is None and file.path.endswith(FORMATS)
    }
    yield from unsound({path: LocalFile.of(file) for path, file in (files | managed).items() if path.endswith(FORMATS)})


def _check_places(project: Project, managed: Sequence[Weight]) -> None:
    """Two files can't have one place: of managed weights among each other, or with files of the project."""
    taken = {f"{SOURCE}/{file.path}" for file in project.files() if file.kind != "directory"}
    for weight in managed:
        if weight.path in taken:
            raise InputError(
                f"/{weight.path}: a managed weight and another file both want this place",
                next_step="exclude one of the two",
            )
        taken.add(weight.path)


def _from_lock(lock: Lock, file: ProjectFile, choice: Choice, *, probed: bool) -> tuple[Rule, tuple[Placed, ...]]:
    """By which rule a file that is not here was cut and into what, if the lock has it for the same bytes and a rule
    that is right; and what a probe found in it where that is asked."""
    missing: CogpackError = not_fetched(file)
    rules = {choice.rule, "none"} if choice.auto else {choice.rule}  # whether it can be cut only its bytes tell
    for locked in lock.results.weights:
        if (
            file.pointer
            and (locked.path, locked.oid) == (file.path, file.pointer.oid)
            and locked.rule in rules
            and not (probed and any(part.ratio is None for part in locked.parts))
        ):
            return locked.rule, tuple(
                Placed(
                    part.path,
                    Fingerprinted(Absent(part.size, missing), part.blake3),
                    file.executable and locked.rule == "none",
                    part.ratio,
                )
                for part in locked.parts
            )
    raise missing


def locked_weights(
    project: Project, gathered: Gathered, plan: Plan, fingerprints: Fingerprints, lock: Lock
) -> tuple[LockedWeight, ...]:
    """What the lock is to remember of the files that git-lfs keeps, so that their pointers suffice elsewhere."""
    before = {weight.path: weight for weight in lock.results.weights}
    found = []
    for file, weight in gathered.project:
        if weight.file is None:
            found.append(before[file.path])
        elif project.in_lfs(file):
            found.append(
                LockedWeight(
                    path=file.path,
                    oid=fingerprints.sha256(weight.file),
                    size=file.size,
                    rule=weight.rule,
                    parts=tuple(
                        LockedPart(
                            path=part.path,
                            size=part.content.size,
                            blake3=part.content.blake3 or "",
                            ratio=part.ratio,
                        )
                        for part in plan.weights[weight.path]
                    ),
                )
            )
    return tuple(sorted(found, key=lambda weight: weight.path))
