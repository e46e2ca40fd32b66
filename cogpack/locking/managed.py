"""Cog's managed `weights:`: files of directories and servers, put into the image at their targets.

Local ones are read like project files. Those of servers are pinned in the lock by sha256, and what must be cut is read
once for the blake3 of each part; from then on parts are streamed by ranges, never stored, and checked.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.config import ManagedWeight, WeightSource
from cogpack.errors import InputError, MismatchError
from cogpack.layers.files import Hashed, Placed
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.layers.weights import Pinned, Weight, largest
from cogpack.layers.weights.cuts import Piece
from cogpack.layers.weights.opaque import part_path
from cogpack.layers.weights.remote import (
    RemoteContent,
    RemoteCut,
    cut_pieces,
    measure,
    opaque_pieces,
    probe_pieces,
    whole_piece,
)
from cogpack.lockfile import LockedPart, RemoteWeight
from cogpack.model_files import Rule
from cogpack.notes import Code, Note
from cogpack.project import Project, SplitRules
from cogpack.remote import RemoteFile
from cogpack.resolve.weights import FoundFile, is_remote, wanted
from cogpack.session import Session
from cogpack.threads import each

_DOCUMENT = 16 * 1024 * 1024
_SKIPPED = frozenset({".git", ".cache"})


class LocalWeight(msgspec.Struct, frozen=True):
    """Is a managed weight that is here. `path`: in the image, without the leading slash; `file`: on this machine."""

    path: str
    file: Path
    size: int


class Found(msgspec.Struct, frozen=True):
    """Is a file of a server, before it is decided how it is cut."""

    path: str
    source: WeightSource
    file: FoundFile


def local_weights(project: Project) -> list[LocalWeight]:
    """List the files of sources that are paths, links to files followed (as caches have them)."""
    found = []
    for index, managed in enumerate(project.config.weights):
        where = project.config.where(f"weights[{index}]")
        for source in managed.sources:
            if not is_remote(source):
                found += list(_local(project, managed, source, where))
    return found


def _local(project: Project, managed: ManagedWeight, source: WeightSource, where: str) -> Iterator[LocalWeight]:
    uri = source.uri
    place = project.root / (unquote(urlsplit(uri).path) if uri.startswith("file://") else uri)
    target = managed.target.strip("/")
    empty = True
    try:
        if place.is_file():
            yield LocalWeight(f"{target}/{place.name}", place.resolve(), place.stat().st_size)
            return
        for directory, names, files in os.walk(place, onerror=_raise):
            names[:] = [
                name for name in names if name not in _SKIPPED and not project.is_its_cache(Path(directory, name))
            ]
            for name in files:
                path = Path(directory) / name
                relative = path.relative_to(place).as_posix()
                if wanted(source, relative) and path.is_file():
                    empty = False
                    yield LocalWeight(f"{target}/{relative}", path.resolve(), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{where}: {managed.name}: {place}: {error.strerror}", next_step="correct the uri") from error
    if empty:
        raise InputError(f"{where}: {managed.name}: {place} holds no such files", next_step="correct the uri")


def _raise(error: OSError) -> None:
    raise error


def find_remote(session: Session, project: Project, pinned: Sequence[RemoteWeight]) -> list[Found]:
    """List the files of sources that are servers. Revisions that are `pinned` are kept where they are still there."""
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


def pin_remote(
    session: Session,
    found: Sequence[Found],
    rules: SplitRules,
    size: int,
    pinned: Sequence[RemoteWeight],
    *,
    probing: bool,
) -> tuple[RemoteWeight, ...]:
    """Decide how each file is cut to `size`, and learn what the server does not say: digests, and what zstd would leave
    where `probing`. Old pins are kept."""
    before = {(weight.path, weight.uri, weight.file, weight.revision): weight for weight in pinned}

    def pin(item: Found) -> RemoteWeight:
        choice = rules.choose(shown(item.path), item.file.size, limit=largest(size))
        rule = (
            "none"
            if choice.auto and choice.rule != "none" and not _is_sound(session, item, choice.rule)
            else choice.rule
        )
        known = before.get((item.path, item.source.uri, item.file.file, item.file.revision))
        if known and (known.size, known.rule, known.layer_size) == (item.file.size, rule, size):
            return _probed(session, item, known) if probing and _unprobed(known) else known
        digest, parts = item.file.sha256, tuple[LockedPart, ...]()
        if rule != "none" or digest is None:
            reader = _reader(session, item)
            paths, pieces = _pieces(item.path, reader, rule, size)
            task = session.progress.task(item.file.path, item.file.size, "read")
            digest, hashes = measure(reader, pieces, task.advance)
            task.done("pinned")
            parts = tuple(
                LockedPart(path=path, size=piece.size, blake3=hash_)
                for path, piece, hash_ in zip(paths, pieces, hashes, strict=True)
            )
        if item.file.sha256 not in (None, digest):
            raise MismatchError(
                f"{reader!r}: the server says {item.file.sha256}, its bytes are {digest}", next_step="try again later"
            )
        made = RemoteWeight(
            path=item.path,
            uri=item.source.uri,
            file=item.file.file,
            revision=item.file.revision,
            size=item.file.size,
            sha256=digest,
            rule=rule,
            layer_size=size,
            parts=parts,
        )
        return _probed(session, item, made) if probing else made

    pinned = each(pin, found, jobs=session.settings.jobs, name="pin", cancellation=session.cancellation)
    return tuple(sorted(pinned, key=lambda weight: weight.path))


def _is_sound(session: Session, item: Found, rule: Rule) -> bool:
    """Tell whether a file that nobody asked to cut can be cut; else it stays whole."""
    try:
        _pieces(item.path, _reader(session, item), rule, item.file.size)
    except InputError as error:
        session.progress.note(Note(Code.UNSOUND_WEIGHTS, f"{error.message}; it stays whole"))
        return False
    return True


def _unprobed(weight: RemoteWeight) -> bool:
    return any(part.ratio is None for part in weight.parts) if weight.parts else weight.ratio is None


def _probed(session: Session, item: Found, weight: RemoteWeight) -> RemoteWeight:
    reader = _reader(session, item)
    _, pieces = _pieces(weight.path, reader, weight.rule, weight.layer_size)
    first, *rest = probe_pieces(reader, weight.path, pieces or [whole_piece(weight.size)])
    if not weight.parts:
        return msgspec.structs.replace(weight, ratio=first)
    parts = [
        msgspec.structs.replace(part, ratio=ratio) for part, ratio in zip(weight.parts, (first, *rest), strict=True)
    ]
    return msgspec.structs.replace(weight, parts=tuple(parts))


def _pieces(path: str, reader: RemoteFile, rule: Rule, size: int) -> tuple[list[str], list[Piece]]:
    """Cut it: paths in the image, and pieces."""
    if rule == "none":
        return [], []
    if rule == "opaque":
        pieces = opaque_pieces(reader.size, size)
        return [part_path(path, number) for number in range(len(pieces))], pieces
    folder, slash, name = path.rpartition("/")
    pieces = cut_pieces(rule, reader, name, size)
    return [f"{folder}{slash}{piece.name}" for piece in pieces], pieces


def _reader(session: Session, item: Found) -> RemoteFile:
    return session.servers.open(item.source.uri, item.file.file, item.file.revision, item.file.size)


def read_document(session: Session, item: Found) -> bytes:
    """Read a small file, such as config.json."""
    return b"".join(_reader(session, item).read(0, item.file.size)) if item.file.size <= _DOCUMENT else b""


def shown(path: str) -> str:
    """Say how a path of the image is called in rules and messages: relative to the project where it is in it."""
    return path.removeprefix("src/")


def remote_weight(session: Session, locked: RemoteWeight) -> Weight:
    """Make a pinned file a weight of the plan: its contents are streamed when they are wanted."""

    def reader() -> RemoteFile:
        return session.servers.open(locked.uri, locked.file, locked.revision, locked.size)

    contents: list[Hashed]
    paths = [part.path for part in locked.parts] or [locked.path]
    if locked.rule == "none":
        contents = [_hashed(reader, lambda: whole_piece(locked.size), locked.size, locked.sha256)]
    elif locked.rule == "opaque":
        contents = []
        offset = 0
        for part in locked.parts:
            piece = Piece("", ((offset, part.size),))
            contents.append(_hashed(reader, _always(piece), part.size, part.blake3))
            offset += part.size
    else:
        cut = RemoteCut(locked.rule, reader, locked.path.rpartition("/")[2], locked.layer_size)
        contents = [
            _hashed(reader, _named(cut, part.path.rpartition("/")[2]), part.size, part.blake3) for part in locked.parts
        ]
    ratios = [part.ratio for part in locked.parts] or [locked.ratio]
    placed = tuple(
        Placed(path, content, ratio=ratio) for path, content, ratio in zip(paths, contents, ratios, strict=True)
    )
    return Weight(locked.path, shown(locked.path), Pinned(placed), locked.size, locked.rule)


def _hashed(reader: Callable[[], RemoteFile], piece: Callable[[], Piece], size: int, digest: str) -> Fingerprinted:
    return Fingerprinted(RemoteContent(reader, piece, size, digest), digest)


def _always(piece: Piece) -> Callable[[], Piece]:
    return lambda: piece


def _named(cut: RemoteCut, name: str) -> Callable[[], Piece]:
    return lambda: cut.piece(name)
