"""Files that git-lfs keeps are fetched from where a repository's server has them (git-lfs docs/api/batch.md)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from cogpack.artifacts import Artifact
from cogpack.digest import Digest
from cogpack.errors import CogpackError, MismatchError, UnavailableError
from cogpack.git.program import Git
from cogpack.http import Response, Stream
from cogpack.locking.sources.lfs_server import LfsServer, lfs_server
from cogpack.notes import Code, Note
from cogpack.oci import decode
from cogpack.project.lfs import LfsPointer
from cogpack.session import Session
from cogpack.text import count_text

_JSON = "application/vnd.git-lfs+json"


class _Action(msgspec.Struct, frozen=True):
    href: str
    header: dict[str, str] = {}


class _Actions(msgspec.Struct, frozen=True):
    download: _Action | None = None


class _Object(msgspec.Struct, frozen=True):
    oid: str
    actions: _Actions = _Actions()


class _Batch(msgspec.Struct, frozen=True):
    objects: list[_Object]


def large_files(
    session: Session, git: Git, url: str, pointers: Iterable[LfsPointer], logins: Mapping[str, str]
) -> Mapping[LfsPointer, Path]:
    """Have the files of `pointers` in the session's store, as far as the server gives them; `url`: of the repository,
    without a login, for which git has the variables `logins`. What it does not give stays a pointer, as it does for who
    has no git-lfs, and a note says so."""
    by_oid = {pointer.oid: pointer for pointer in pointers}
    found = {pointer: Artifact(oid, oid, pointer.size) for oid, pointer in by_oid.items()}
    missing = [pointer for pointer, artifact in found.items() if session.store.find(artifact) is None]
    why = "the server gives none"
    if missing:
        try:
            server = lfs_server(session, git, url, logins)
            for one in _asked(session, server, missing):
                if one.actions.download and (pointer := by_oid.get(Digest(f"sha256:{one.oid}"))):
                    _fetch(session, server.batch, one.actions.download, pointer)
        except MismatchError:
            raise
        except CogpackError as error:
            why = error.message
    there = {
        pointer: session.store.verified(artifact, tuple)[0]
        for pointer, artifact in found.items()
        if session.store.find(artifact) is not None
    }
    if left := len(found) - len(there):
        lost = f"{count_text(left, 'file')} of git-lfs can't be had, and what is built of it has pointers: {why}"
        session.progress.note(Note(Code.LARGE_FILES, f"{session.http.shown(url)}: {lost}"))
    return there


def _asked(session: Session, server: LfsServer, missing: Iterable[LfsPointer]) -> list[_Object]:
    wanted = [{"oid": pointer.oid.removeprefix("sha256:"), "size": pointer.size} for pointer in missing]
    body = {"operation": "download", "transfers": ["basic"], "objects": wanted, "hash_algo": "sha256"}
    headers = {**server.headers, "Accept": _JSON, "Content-Type": _JSON}

    def ask(batch: str) -> Response:
        return session.http.request(
            "POST", batch, origin=batch, headers=headers, body=msgspec.json.encode(body), tries="few"
        )

    answer = ask(server.batch)
    if answer.status in (401, 403, 404) and (with_login := server.with_login()):
        answer = ask(with_login)
    if answer.status != 200:
        raise UnavailableError(
            f"{session.http.shown(server.batch)}: HTTP {answer.status}", next_step="log in as git does"
        )
    return decode(answer.body, _Batch, where=session.http.shown(server.batch)).objects


def _fetch(session: Session, batch: str, action: _Action, pointer: LfsPointer) -> None:
    task = session.progress.task(f"git-lfs {pointer.oid[7:19]}", pointer.size, "fetch")
    with session.http.open("GET", action.href, origin=batch, headers=action.header) as stream:
        if stream.status != 200:
            return
        found = session.store.take(pointer.oid, _watched(stream, pointer.size, task.advance))
    if found.digest != pointer.oid:
        raise MismatchError(
            f"{session.http.shown(action.href)}: expected {pointer.oid}, found {found.digest}",
            next_step="tell the operator of the repository's server",
        )
    task.done("fetched")


def _watched(stream: Stream, size: int, advance: Callable[[int], object]) -> Iterator[bytes]:
    """Give the blocks of a file; those behind its `size` are not waited for."""
    for block in stream.blocks():
        advance(len(block))
        yield block
        size -= len(block)
        if size < 0:
            return
