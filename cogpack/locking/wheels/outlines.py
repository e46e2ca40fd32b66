"""Wheels are looked into where they are: in the cache, in the project, or on a server, of which the ends are read."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.artifacts import Artifact
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.project import Project
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.layers.wheels.archive import ReadAt
    from cogpack.layers.wheels.outline import Outline


def wheel_artifact(wheel: LockedWheel) -> Artifact:
    return Artifact(wheel.filename, Digest(f"sha256:{wheel.sha256}"), wheel.size, f"{wheel.name} {wheel.version}")


class Outlines:
    """Has the outlines of wheels, each read once. `locate`: gives the address of one that isn't here."""

    def __init__(self, session: Session, project: Project, locate: Callable[[LockedWheel], str]) -> None:
        self._session = session
        self._project = project
        self._locate = locate
        self._read: dict[str, tuple[int, Outline]] = {}
        self._lock = threading.Lock()

    def of(self, wheel: LockedWheel) -> "tuple[LockedWheel, Outline]":
        """Give the wheel, with its size, and its outline."""
        from cogpack.layers.wheels.outline import Outline

        with self._lock:
            found = self._read.get(wheel.sha256)
        if found is None:
            read, size = self._opened(wheel)
            found = size, Outline(wheel.filename, read, size)
            with self._lock:
                self._read[wheel.sha256] = found
        size, outline = found
        return msgspec.structs.replace(wheel, size=size) if wheel.size is None else wheel, outline

    def _opened(self, wheel: LockedWheel) -> "tuple[ReadAt, int]":
        """Tell how to read it, and its bytes in all."""
        from cogpack.remote import NoRangesError

        store, artifact = self._session.store, wheel_artifact(wheel)
        if store.find(artifact):
            return local_reader(store.verified(artifact, tuple)[0])
        if wheel.path is not None:
            return local_reader(self._project.root / wheel.path)
        address = self._locate(wheel)
        try:
            return address_reader(self._session, address, wheel.size)
        except NoRangesError:
            return local_reader(store.fetch(artifact, lambda: [address]))


def address_reader(session: Session, address: str, size: int | None) -> "tuple[ReadAt, int]":
    """Tell how to read the file at `address`, a server's or this machine's, and its bytes; `NoRangesError` where it
    would have to come whole."""
    from cogpack.remote import Glances, RemoteFile, remote_size

    parts = urlsplit(address)
    if parts.scheme == "file":
        return local_reader(Path(unquote(parts.path)))
    size = remote_size(session.http, address) if size is None else size
    glances = Glances(RemoteFile(session.http, address, size))
    glances(size, 0)
    return glances, size


def local_reader(path: Path) -> "tuple[ReadAt, int]":
    def read(offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    try:
        return read, path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", next_step="check that the wheel is there") from error
