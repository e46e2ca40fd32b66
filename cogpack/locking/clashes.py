"""Files that two wheels hold differently are found when the lock is made, and told whenever it is used."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.artifacts import Artifact
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.layers.wheels import Outline, find_clashes
from cogpack.layers.wheels.archive import ReadAt
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile import Decisions, LockedClash, LockedWheel
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.remote import Glances, NoRangesError, RemoteFile, remote_size
from cogpack.resolve.wheels import Resolved, TargetPython
from cogpack.session import Session
from cogpack.text import count_text
from cogpack.threads import each

_JOBS = 16


def wheel_artifact(wheel: LockedWheel) -> Artifact:
    return Artifact(wheel.filename, Digest(f"sha256:{wheel.sha256}"), wheel.size, f"{wheel.name} {wheel.version}")


def compare_wheels(
    session: Session, project: Project, resolved: Resolved, target: TargetPython, kept: Decisions | None
) -> tuple[tuple[LockedWheel, ...], tuple[LockedClash, ...]]:
    """Give the wheels, each with its size, and their clashes. Of wheels that are not here the ends are read, no more.

    What `kept` says of just these wheels and this Python still holds.
    """
    if kept and kept.base.python == target.python:
        sizes = {wheel.sha256: wheel.size for wheel in kept.wheels}
        wheels = tuple(
            msgspec.structs.replace(wheel, size=sizes.get(wheel.sha256)) if wheel.size is None else wheel
            for wheel in resolved.wheels
        )
        if wheels == kept.wheels:
            return wheels, kept.clashes
    task = session.progress.task(f"clashes in {count_text(len(resolved.wheels), 'wheel')}", None, "look for")

    def outline(wheel: LockedWheel) -> tuple[LockedWheel, Outline]:
        read, size = _opened(session, project, wheel, resolved.addresses.get(wheel.sha256))
        sized = msgspec.structs.replace(wheel, size=size) if wheel.size is None else wheel
        return sized, Outline(wheel.filename, read, size)

    found = each(outline, resolved.wheels, jobs=_JOBS, name="wheel", cancellation=session.cancellation)
    clashes = find_clashes([outline for _, outline in found], target.environment())
    task.done("looked for")
    return tuple(wheel for wheel, _ in found), clashes


def _opened(session: Session, project: Project, wheel: LockedWheel, address: str | None) -> tuple[ReadAt, int]:
    """Tell how to read it, and its bytes in all."""
    artifact = wheel_artifact(wheel)
    parts = urlsplit(address or "")
    if session.store.find(artifact):
        return _local(session.store.verified(artifact, tuple)[0])
    if wheel.path is not None:
        return _local(project.root / wheel.path)
    if parts.scheme == "file":
        return _local(Path(unquote(parts.path)))
    assert address is not None
    try:
        size = remote_size(session.http, address) if wheel.size is None else wheel.size
        glances = Glances(RemoteFile(session.http, address, size))
        glances(size, 0)
    except NoRangesError:
        return _local(session.store.fetch(artifact, lambda: [address]))
    return glances, size


def _local(path: Path) -> tuple[ReadAt, int]:
    def read(offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    try:
        return read, path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", next_step="check that the wheel is there") from error


def check_clashes(project: Project, decisions: Decisions) -> None:
    """Raise an `InputError` of the first, where cog.yaml wants that."""
    config = project.config
    if config.pack.clashes == "error":
        for text in _texts(project, decisions):
            raise InputError(
                f"{text}; {config.where('cogpack.clashes')} makes that an error",
                next_step="remove one of the packages, or write clashes: note",
            )


def clash_notes(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Give a note for each set of wheels that clash."""
    for text in _texts(project, decisions):
        yield Note(Code.CLASH, text)


def _texts(project: Project, decisions: Decisions) -> Iterator[str]:
    wheels = {wheel.filename: wheel for wheel in decisions.wheels}
    for clash in decisions.clashes:
        yield _told(project, clash.paths, wheels[clash.wheel], [wheels[filename] for filename in clash.over])


def _told(project: Project, paths: Sequence[str], winner: LockedWheel, others: Sequence[LockedWheel]) -> str:
    lines = ", ".join(project.requirements().places(" ".join(wheel.name for wheel in (winner, *others))))
    first = paths[0].removeprefix(f"{SITE}/") if paths[0].startswith(f"{SITE}/") else f"/{paths[0]}"
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    who = " and ".join(f"{wheel.name} {wheel.version}" for wheel in (*others, winner))
    text = f"{first}{more}: in {who}; the image has {winner.name}'s, which pip would install last"
    return f"{lines}: {text}" if lines else text
