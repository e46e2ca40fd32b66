"""The weights of a project are gathered here: which files, how each is split, and what the lock says of those that only
git-lfs has."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cogpack.errors import CogpackError, InputError
from cogpack.layers.content import Absent, LocalFile
from cogpack.layers.entry import parents
from cogpack.layers.files import Placed
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.listed import file_below
from cogpack.layers.weights.arrangement import Pinned, Weight, largest
from cogpack.layers.weights.complete import FORMATS, incomplete, unsound
from cogpack.lockfile import Lock, LockedPart, LockedWeight, RemoteWeight
from cogpack.locking.weights.local import LocalWeight, local_weights
from cogpack.locking.weights.remote import chosen_layer_size, probing
from cogpack.model_files import Rule
from cogpack.notes import Note
from cogpack.project import Files, Project, ProjectFile, not_fetched, unused_patterns
from cogpack.runtime.contract import SCHEMA_PATH, SOURCE, project_path
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.layers.weights.remote import Reader
    from cogpack.project.weight_splits import Attempt, SplitChoice, SplitRules


class GatheredWeight(msgspec.Struct, frozen=True, kw_only=True):
    """Is a weight of the image, and `why` its rule was taken. `file`: where it is one of the project."""

    weight: Weight
    why: str
    file: ProjectFile | None = None


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """Holds all weights: the project's own, then managed ones. `layer_size`: bytes that they are split to."""

    weights: tuple[GatheredWeight, ...]
    layer_size: int


def gather(session: Session, project: Project, lock: Lock) -> Gathered:
    """Gather the project's own weights, then managed ones in the order of their targets."""
    files, local = project.weights, local_weights(project)
    size = chosen_layer_size(
        project, files, local, sum(weight.size for weight in lock.weights), session.formats[lock.format]
    )
    found: list[GatheredWeight] = []
    if files or local:
        rules = project.split_rules({project_path(weight.path): weight.document for weight in local})
        found += [_own(project, lock, rules, file, size) for file in files]
        found += [_local(rules, item, size) for item in sorted(local, key=lambda item: item.path)]
    found += [
        GatheredWeight(weight=_remote(session, locked), why=f"pinned from {locked.uri}") for locked in lock.weights
    ]
    return Gathered(weights=tuple(found), layer_size=size)


def _own(project: Project, lock: Lock, rules: "SplitRules", file: ProjectFile, size: int) -> GatheredWeight:
    place = f"{SOURCE}/{file.path}"
    if file.pointer is None:
        here = file_below(project.root, file.path, file.stat)
        choice = rules.choose(file.path, file.size, limit=largest(size), attempt=_splitting(here, size))
        weight = Weight(place, file.path, here, file.size, choice.rule, file.executable)
    else:
        choice = rules.choose(file.path, file.size, limit=largest(size))
        rule, pinned = _from_lock(lock, file, choice, size, probed=probing(project.config))
        weight = Weight(place, file.path, pinned, file.size, rule, file.executable)
    return GatheredWeight(weight=weight, why=choice.why, file=file)


def _local(rules: "SplitRules", item: LocalWeight, size: int) -> GatheredWeight:
    content = LocalFile.of(item.file)
    path = project_path(item.path)
    choice = rules.choose(path, item.size, limit=largest(size), attempt=_splitting(content, size))
    weight = Weight(item.path, path, content, content.size, choice.rule)
    return GatheredWeight(weight=weight, why=choice.why)


def _splitting(file: LocalFile, size: int) -> "Attempt":
    from cogpack.layers.weights.pieces import read_local, split_any

    return lambda rule: split_any(read_local(rule, file), Path(file.path).name, size)


def weight_notes(project: Project, gathered: Gathered) -> Iterator[Note]:
    """Note what a loader would miss: files that are not there, and files that are not what they are called."""
    managed = {project_path(weight.path): weight for weight in local_weights(project)}
    weights = [found.weight.name for found in gathered.weights]
    files = project.files()
    paths = [*files.all_paths(directories=False), *managed, *weights]

    def read(path: str) -> bytes | None:
        with suppress(InputError, OSError):  # too large for an index, or a server's
            return managed[path].document() if path in managed else project.read(path)
        return None

    yield from unused_patterns(project.config, files, weights)
    yield from incomplete(paths, read)
    here = {path: weight.file for path, weight in managed.items() if path.endswith(FORMATS)} | {
        file.path: project.root / file.path for file in project.with_ends(FORMATS)
    }
    yield from unsound({path: LocalFile.of(file) for path, file in here.items()})


def check_places(
    files: Files,
    gathered: Gathered,
    parts: Mapping[str, tuple[Placed, ...]],
    lines: Iterable[tuple[str, int]] = (),
    directories: Iterable[str] = (),
) -> None:
    """Refuse two files of one place, and one beneath another: of their layers the upper one would hide the other.

    `files`: of the project, but for weights; `parts`: what each weight file became, by its path; `lines`: what
    known lines of `build.run` make, and their indexes; `directories`: that they make.
    """
    own_files = files.all_paths(directories=False)  # very many: no two want one place
    places = [(SCHEMA_PATH, "the model's schema")]
    for found in gathered.weights:
        weight = found.weight
        name = weight.name if found.file else f"the managed weight {weight.name}"
        own = {part.path for part in parts[weight.path]} | ({weight.path} if weight.rule == "opaque" else set())
        places += [(path, name) for path in sorted(own)]
    places += [(path, f"build.run[{step}]") for path, step in lines]
    taken: dict[str, str] = {}

    def who(path: str) -> str | None:
        """Tell who has the place."""
        own = path.removeprefix(f"{SOURCE}/")
        return own if own != path and _following(own_files, own) == own else taken.get(path)

    for path, name in places:
        if (other := who(path)) is not None:
            raise _hidden(f"/{path}: {other} and {name} both want this place")
        taken[path] = name
    if hidden := next((path for path in directories if who(path)), None):
        raise _hidden(f"/{hidden}: {who(hidden)} and a directory of build.run both want this place")
    for path, name in places:
        if above := next((above for above in parents(path) if who(above)), None):
            raise _hidden(f"/{path}: {name} would lie beneath /{above}, which is no directory")
    beneath = [f"{path.removeprefix(f'{SOURCE}/')}/" for path in taken if path.startswith(f"{SOURCE}/")]
    if file := min((file for start in beneath if (file := _following(own_files, start)).startswith(start)), default=""):
        above = next(above for above in parents(f"{SOURCE}/{file}") if above in taken)
        raise _hidden(f"/{SOURCE}/{file}: {file} would lie beneath /{above}, which is no directory")


def _following(paths: Sequence[str], path: str) -> str:
    """Give the first of the sorted `paths` that is `path` or comes behind it; "" for none."""
    at = bisect_left(paths, path)
    return paths[at] if at < len(paths) else ""


def _hidden(what: str) -> InputError:
    return InputError(what, next_step="exclude or move one of the two (a managed weight goes to its target)")


def _from_lock(lock: Lock, file: ProjectFile, choice: "SplitChoice", size: int, *, probed: bool) -> tuple[Rule, Pinned]:
    """Find by which rule a file that is not here was split, and into what: the lock must have it for the same bytes, a
    rule that is right and a split to `size`, and what a probe found in it where that is asked."""
    missing: CogpackError = not_fetched(file)
    rules = {choice.rule, "none"} if choice.auto else {choice.rule}  # whether it can be split only its bytes tell
    for locked in lock.results.weights:
        if (
            file.pointer
            and (locked.path, locked.oid) == (file.path, file.pointer.oid)
            and locked.rule in rules
            and (locked.rule == "none" or locked.layer_size == size)
            and not (probed and any(part.ratio is None for part in locked.parts))
        ):
            parts = (
                Placed(
                    part.path,
                    Fingerprinted(Absent(part.size, missing), part.blake3),
                    file.executable and locked.rule == "none",
                    part.ratio,
                )
                for part in locked.parts
            )
            return locked.rule, Pinned(tuple(parts))
    raise missing


def locked_weights(
    project: Project,
    gathered: Gathered,
    parts: Mapping[str, tuple[Placed, ...]],
    fingerprints: Fingerprints,
    lock: Lock,
) -> tuple[LockedWeight, ...]:
    """Say what the lock is to remember of the files that git-lfs keeps, so that their pointers suffice elsewhere.

    `parts`: what each weight file became, by its path."""
    before = {weight.path: weight for weight in lock.results.weights}
    found = []
    for item in gathered.weights:
        file, weight = item.file, item.weight
        if file is None:
            continue
        if isinstance(weight.content, Pinned):
            found.append(before[file.path])
        elif project.in_lfs(file):
            found.append(
                LockedWeight(
                    path=file.path,
                    oid=fingerprints.sha256(weight.content),
                    size=file.size,
                    rule=weight.rule,
                    layer_size=gathered.layer_size,
                    parts=tuple(
                        LockedPart(
                            path=part.path,
                            size=part.content.size,
                            blake3=part.content.blake3 or "",
                            ratio=part.ratio,
                        )
                        for part in parts[weight.path]
                    ),
                )
            )
    return tuple(sorted(found, key=lambda weight: weight.path))


def open_weight(session: Session, locked: RemoteWeight) -> "Reader":
    """Make a pinned file ready to be read by ranges, where it is."""
    if session.depot:
        return session.depot.open(locked.sha256, locked.size, f"/{locked.path}")
    return session.servers.open(locked.uri, locked.file, locked.revision, locked.size)


def _remote(session: Session, locked: RemoteWeight) -> Weight:
    """Make a pinned file a weight of the plan: its contents are streamed when they are wanted."""
    from cogpack.layers.weights.remote import RemoteContent, RemoteSplit, whole_piece
    from cogpack.layers.weights.shards import Piece

    reader = partial(open_weight, session, locked)
    pieces: list[Callable[[], Piece]]
    if locked.rule == "none":
        pieces = [partial(whole_piece, locked.size)]
    elif locked.rule == "opaque":
        starts = accumulate((part.size for part in locked.parts), initial=0)
        pieces = [partial(Piece, "", ((start, part.size),)) for start, part in zip(starts, locked.parts, strict=False)]
    else:
        split = RemoteSplit(locked.rule, reader, locked.path.rpartition("/")[2], locked.layer_size)
        pieces = [partial(split.piece, part.path.rpartition("/")[2]) for part in locked.parts]
    told = [(part.path, part.size, part.blake3, part.ratio) for part in locked.parts]
    told = told or [(locked.path, locked.size, str(locked.sha256), locked.ratio)]
    placed = tuple(
        Placed(path, Fingerprinted(RemoteContent(reader, piece, size, digest), digest), ratio=ratio)
        for piece, (path, size, digest, ratio) in zip(pieces, told, strict=True)
    )
    return Weight(locked.path, project_path(locked.path), Pinned(placed), locked.size, locked.rule)
