"""Archives that a project names beside Debian's are told apart from all others by their keys, which the lock keeps."""

from collections.abc import Iterator, Sequence

import msgspec

from cogpack.config import AptArchive, Config
from cogpack.errors import MismatchError, UnavailableError
from cogpack.lockfile.base_kinds import Base, LockedArchive
from cogpack.project import Project
from cogpack.resolve.debs.archives.archive import Archive, archive_of
from cogpack.resolve.debs.archives.keyring import Keyring, read_keyring
from cogpack.session import Session

_LIMIT = 1024 * 1024


def read_archives(
    session: Session, project: Project, kept: Base | None, config: Config | None = None
) -> tuple[Archive, ...]:
    """Give those of `cogpack.apt`, of the project's own `config` or of another one. `kept`: of the lock that there was,
    whose keys by address need not be fetched."""
    locked = kept.system_packages.archives if kept else ()
    return tuple(_archives(session, project, config or project.config, locked))


def _archives(session: Session, project: Project, config: Config, kept: Sequence[LockedArchive]) -> Iterator[Archive]:
    known = {one.fingerprints: one for one in kept}
    for index, archive in enumerate(config.pack.apt):
        key = f"cogpack.apt[{index}]"
        where = config.where(f"{key}.key")
        if archive.key_file is not None:
            keys = read_keyring(
                project.archive_key(archive.key_file), where=f"{where}: {archive.key_file}", whose=archive.key_file
            )
        elif archive.fingerprint is not None and (before := known.get((archive.fingerprint,))):
            keys = msgspec.structs.replace(archive_of(before).keys, whose=archive.key)
        else:
            keys = read_keyring(_fetched(session, archive, where), where=f"{where}: {archive.key}", whose=archive.key)
        yield Archive(
            name=archive.uri,
            uri=archive.uri,
            suites=archive.suites,
            components=archive.components,
            keys=_meant(keys, archive, where),
            where=config.where(key),
        )


def _fetched(session: Session, archive: AptArchive, where: str) -> bytes:
    answer = session.http.request("GET", archive.key, origin=archive.key, limit=_LIMIT, follow=True)
    if answer.status != 200:
        raise UnavailableError(
            f"{where}: {session.http.shown(archive.key)}: HTTP {answer.status}",
            next_step="correct the address, or keep the key as a file of the project",
        )
    return answer.body


def _meant(keys: Keyring, archive: AptArchive, where: str) -> Keyring:
    """Leave out all certificates but the one that is meant, if one is."""
    if archive.fingerprint is None:
        return keys
    for certificate in keys.certificates:
        if certificate.fingerprint == archive.fingerprint:
            return msgspec.structs.replace(keys, data=bytes(certificate))
    raise MismatchError(
        f"{where}: {keys.whose}: expected the key {archive.fingerprint}, found {', '.join(keys.fingerprints):.300}",
        next_step="look up in the archive's documentation which is its key",
    )
