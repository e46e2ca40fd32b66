"""Managed weights that lie on servers are pinned here: what each file is, and how it is split.

The lock has the sha256 of each file, and what must be split is read once for the blake3 of each part; from then on
parts are streamed by ranges, never stored, and checked.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from cogpack.config import Config, WeightSource
from cogpack.digest import Digest
from cogpack.errors import InputError, MismatchError
from cogpack.formats import ImageRules
from cogpack.layers.weights.arrangement import largest, layer_size
from cogpack.lockfile import Lock, LockedPart, RemoteWeight
from cogpack.locking.weights.local import DOCUMENT, LocalWeight, local_weights
from cogpack.model_files import Rule, TensorRule
from cogpack.notes import Code, Note
from cogpack.project import Project, ProjectFile
from cogpack.runtime.contract import project_path
from cogpack.session import Session
from cogpack.threads import each

if TYPE_CHECKING:
    from cogpack.layers.weights.shards import Piece
    from cogpack.project.weight_splits import SplitRules
    from cogpack.remote import RemoteFile
    from cogpack.resolve.weights import FoundFile

_KNOWN_TO_LOADERS = b'{"model_type": ""}'
"""Stands for a server's config.json, which was looked at when the weight was pinned."""


class Found(msgspec.Struct, frozen=True):
    """Is a file of a server, before it is decided how it is split."""

    path: str
    source: WeightSource
    file: "FoundFile"


def chosen_layer_size(
    project: Project, own: Sequence[ProjectFile], local: Sequence[LocalWeight], remote: int, rules: ImageRules
) -> int:
    """Tell to how many bytes weights are split: cog.yaml's word, or what follows from all weights together."""
    total = sum(file.size for file in own) + sum(weight.size for weight in local) + remote
    return project.config.pack.weights.layer_size or layer_size(total, rules)


def probing(config: Config) -> bool:
    """Tell whether the content of weights decides how they are stored."""
    return config.pack.weights.compression == "zstd"


def pin_weights(
    session: Session, project: Project, pinned: Sequence[RemoteWeight], rules: ImageRules
) -> tuple[RemoteWeight, ...]:
    """Pin for the lock the managed weights that lie on servers. What was `pinned` is kept where it still holds."""
    found = _find(session, project, pinned)
    if not found:
        return ()
    own, local = project.weights, local_weights(project)
    size = chosen_layer_size(project, own, local, sum(item.file.size for item in found), rules)
    documents: dict[str, Callable[[], bytes]] = {project_path(weight.path): weight.document for weight in local}
    documents |= {project_path(item.path): partial(_document, session, item) for item in found}
    pinning = _Pinning(session, project.split_rules(documents), size, pinned, probing=probing(project.config))
    made = each(pinning.pin, found, jobs=session.settings.jobs, name="pin", cancellation=session.cancellation)
    return tuple(sorted(made, key=lambda weight: weight.path))


def changed_uses(project: Project, lock: Lock) -> list[str]:
    """Name what reads weights that the lock has split where no code could tell, and could tell now."""
    split = [weight for weight in lock.weights if weight.rule == "tensor"]
    if not split:
        return []
    documents: dict[str, Callable[[], bytes]] = {project_path(one.path): one.document for one in local_weights(project)}
    documents |= {project_path(weight.path): lambda: _KNOWN_TO_LOADERS for weight in lock.weights}
    rules = project.split_rules(documents)
    chosen = [
        (weight, rules.choose(project_path(weight.path), weight.size, limit=largest(weight.layer_size)))
        for weight in split
    ]
    return [f"use of {project_path(weight.path)}" for weight, choice in chosen if choice.rule == "none"]


def _find(session: Session, project: Project, pinned: Sequence[RemoteWeight]) -> list[Found]:
    """List the files of sources that are servers. Revisions that are `pinned` are kept where they are still there."""
    from cogpack.resolve.weights import is_remote

    found: list[Found] = []
    for managed in project.config.weights:
        for source in managed.sources:
            if is_remote(source):
                kept = {
                    weight.file: weight.revision for weight in pinned if weight.uri == source.uri and weight.revision
                }
                files = session.servers.find(source, kept)
                found += [Found(f"{managed.target.strip('/')}/{file.path}", source, file) for file in files]
    return found


def _reader(session: Session, item: Found) -> "RemoteFile":
    return session.servers.open(item.source.uri, item.file.file, item.file.revision, item.file.size)


def _document(session: Session, item: Found) -> bytes:
    """Read a small file, such as config.json."""
    return b"".join(_reader(session, item).read(0, item.file.size)) if item.file.size <= DOCUMENT else b""


class _Pinning:
    """Pins files of servers: each is split to about `size` bytes by `rules`, and looked into where `probing`."""

    def __init__(
        self, session: Session, rules: "SplitRules", size: int, pinned: Sequence[RemoteWeight], *, probing: bool
    ) -> None:
        self._session = session
        self._rules = rules
        self._size = size
        self._before = {(weight.path, weight.uri, weight.file, weight.revision): weight for weight in pinned}
        self._probing = probing

    def pin(self, item: Found) -> RemoteWeight:
        """Decide how a file is split, and learn what its server does not say. An old pin that still holds is kept."""
        rule = self._rule(item)
        known = self._before.get((item.path, item.source.uri, item.file.file, item.file.revision))
        if known and (known.size, known.rule, known.layer_size) == (item.file.size, rule, self._size):
            return self._probed(item, known) if self._probing and _unprobed(known) else known
        digest, parts = item.file.sha256, tuple[LockedPart, ...]()
        if rule != "none" or digest is None:
            digest, parts = self._measured(item, rule)
        made = RemoteWeight(
            path=item.path,
            uri=item.source.uri,
            file=item.file.file,
            revision=item.file.revision,
            size=item.file.size,
            sha256=digest,
            rule=rule,
            layer_size=self._size,
            parts=parts,
        )
        return self._probed(item, made) if self._probing else made

    def _rule(self, item: Found) -> Rule:
        """Choose by which rule it is split."""

        def attempt(rule: TensorRule) -> None:
            try:
                _split(item.path, _reader(self._session, item), rule, self._size)
            except InputError as error:
                self._session.progress.note(Note(Code.UNSOUND_WEIGHTS, f"{error.message}; it stays whole"))
                raise

        path, limit = project_path(item.path), largest(self._size)
        return self._rules.choose(path, item.file.size, limit=limit, attempt=attempt).rule

    def _measured(self, item: Found, rule: Rule) -> tuple[Digest, tuple[LockedPart, ...]]:
        """Read all of it, for its digest and the parts that it is split into."""
        from cogpack.layers.weights.remote import measure

        reader = _reader(self._session, item)
        paths, pieces = _split(item.path, reader, rule, self._size)
        task = self._session.progress.task(item.file.path, item.file.size, "read")
        digest, hashes = measure(reader, pieces, task.advance)
        task.done("pinned")
        if item.file.sha256 not in (None, digest):
            raise MismatchError(
                f"{reader!r}: the server says {item.file.sha256}, its bytes are {digest}", next_step="try again later"
            )
        return digest, tuple(
            LockedPart(path=path, size=piece.size, blake3=hash_)
            for path, piece, hash_ in zip(paths, pieces, hashes, strict=True)
        )

    def _probed(self, item: Found, weight: RemoteWeight) -> RemoteWeight:
        """Add what zstd would leave of it, or of each part."""
        from cogpack.layers.weights.remote import probe_pieces, whole_piece

        reader = _reader(self._session, item)
        _, pieces = _split(weight.path, reader, weight.rule, weight.layer_size)
        first, *rest = probe_pieces(reader, weight.path, pieces or [whole_piece(weight.size)])
        if not weight.parts:
            return msgspec.structs.replace(weight, ratio=first)
        parts = [
            msgspec.structs.replace(part, ratio=ratio) for part, ratio in zip(weight.parts, (first, *rest), strict=True)
        ]
        return msgspec.structs.replace(weight, parts=tuple(parts))


def _unprobed(weight: RemoteWeight) -> bool:
    return any(part.ratio is None for part in weight.parts) if weight.parts else weight.ratio is None


def _split(path: str, reader: "RemoteFile", rule: Rule, size: int) -> "tuple[list[str], list[Piece]]":
    """Split it: paths in the image, and pieces; neither where it stays whole."""
    from cogpack.layers.weights.opaque import part_path
    from cogpack.layers.weights.remote import opaque_pieces, split_remote

    if rule == "none":
        return [], []
    if rule == "opaque":
        pieces = opaque_pieces(reader.size, size)
        return [part_path(path, number) for number in range(len(pieces))], pieces
    folder, slash, name = path.rpartition("/")
    pieces = split_remote(rule, reader, name, size)
    return [f"{folder}{slash}{piece.name}" for piece in pieces], pieces
