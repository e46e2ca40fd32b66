"""`cogpack fetch` brings all that a lock names into a depot, of which images are made without a network."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from cogpack.artifacts import Input
from cogpack.depot import NAME, Depot, described
from cogpack.digest import Digest, sha256
from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.lockfile import FILE, encode_lock
from cogpack.oci import TITLE, Descriptor, encode
from cogpack.planning.describing import find_described
from cogpack.planning.outside import Streamed, sources, streamed_files, tools
from cogpack.planning.prepare import prepare_each
from cogpack.planning.signatures import Signed, signed_packages
from cogpack.session import Session
from cogpack.settings import need_path
from cogpack.text import count_text
from cogpack.threads import each


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a file. `what`: it is, for people; `added`: the depot didn't have it before."""

    what: str
    digest: Digest
    size: int
    added: bool


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what a depot has of a lock. `name`: of the list of these `files` in it; `size`: of all, and `added` of
    those that it didn't have before; `left`: managed weights that were not asked for; `signed`: Debian packages that
    archives have signed for, by files that are among these."""

    directory: str
    name: str
    files: tuple[FetchedFile, ...]
    size: int
    added: int
    left: int
    signed: int


def fetch(session: Session, output: Path, *, weights: bool = False) -> Fetched:
    """Bring all that the project's lock names into the depot `output`, which keeps what it has; managed `weights`, too.

    A stale lock is made anew, as for a build. What has come stays if another file can't be had: it is not fetched
    again.
    """
    need_path(output, "output")
    Depot.check(output)
    project = find_described(session, outputs=[output])
    each = prepare_each(session, project, writes=True)
    streamed = [file for one in each for file in streamed_files(session, one, weights=weights)]
    lock, platforms = each[0].lock, project.config.pack.platforms
    signed = [found for one in each for found in signed_packages(session, one)]
    filling = _Filling(session, Depot.create(output))
    filling.take_kept([one for prepared in each for its in prepared.plan.inputs.values() for one in its])
    filling.take_streamed(streamed)
    for archive in signed:
        filling.take_signed(archive)
    for source in (source for one in each for source in sources(session, one)):
        filling.take_source(source)
    try:
        filling.take_kept([tool for one in each for tool in tools(session, one)])
    except UnavailableError as error:  # no lock names them, and most machines can do without
        session.progress.summary(f"without programs that some machines need to run others: {error.message}")
    decided = [word for platform in platforms for word in (platform, lock.platforms[platform])]
    name = f"lock-{sha256(encode([lock.format, *decided, lock.weights]))[7:23]}"
    filling.publish(name, title=project.root.name, lock=encode_lock(lock, config=project.config_path.name))
    each[0].fingerprints.save()
    return Fetched(
        directory=str(output),
        name=name,
        files=tuple(filling.told),
        size=sum(file.size for file in filling.told),
        added=sum(file.size for file in filling.told if file.added),
        left=0 if weights else len(lock.weights),
        signed=sum(archive.packages for archive in signed if not archive.lacking),
    )


class _Filling:
    """Puts files into a depot that lacks them, and lists all."""

    def __init__(self, session: Session, depot: Depot) -> None:
        self.told: list[FetchedFile] = []
        self._files: dict[Digest, Descriptor] = {}
        self._session = session
        self._depot = depot

    def take_kept(self, inputs: Sequence[Input]) -> None:
        """Take files by the cache, which has some, and keeps all."""
        wanted = {one.artifact.digest: one for one in inputs}
        there = {digest: self._depot.find(digest, one.artifact.size) for digest, one in wanted.items()}
        missing = [one for digest, one in wanted.items() if there[digest] is None]
        self._session.supply.wait(missing)
        for digest, one in wanted.items():
            path = there[digest] or Path(one.file().path)
            file = described(one.artifact.name, digest, path.stat().st_size)
            if there[digest] is None:
                self._depot.share(path, file)
            self._list(file, one.artifact.title or one.artifact.name, added=there[digest] is None)

    def take_signed(self, archive: Signed) -> None:
        """Take the files by which an archive has signed for its packages."""
        if archive.lacking:
            packages = count_text(archive.packages, "package")
            text = f"without what shows that {archive.archive} has signed for {packages}: {archive.lacking}"
            self._session.progress.summary(text)
        self.take_streamed(
            [
                Streamed(what=file.file.what, file=file.descriptor, name=file.name, blocks=partial(iter, [file.data]))
                for file in archive.files
            ]
        )

    def take_source(self, source: Input | Streamed) -> None:
        """Take what a wheel was built of, where that is still to be had."""
        try:
            if isinstance(source, Streamed):
                self.take_streamed([source])
            else:
                source.file()  # not with others: what can't be had would end those, too
                self.take_kept([source])
        except (DeniedError, InputError, MismatchError, UnavailableError) as error:  # as git says: no such repository
            self._session.progress.summary(f"without the source of a wheel that is here: {error.message}")

    def take_streamed(self, files: Sequence[Streamed]) -> None:
        """Take files as they come, several at a time."""
        wanted = list({one.name or (one.file.digest if one.file else ""): one for one in files}.values())
        there = [self._present(one) for one in wanted]
        missing = [one for one, file in zip(wanted, there, strict=True) if file is None]
        settings, cancellation = self._session.settings, self._session.cancellation
        coming = iter(each(self._come, missing, jobs=settings.jobs, name="fetch", cancellation=cancellation))
        for one, found in zip(wanted, there, strict=True):
            file = next(coming) if found is None else found
            self._list(file, one.what, added=found is None)

    def publish(self, name: str, *, title: str, lock: bytes) -> None:
        document = self._depot.take([lock])
        listed = described(FILE, document.digest, document.size)
        self._depot.publish(name, [listed, *self._files.values()], {TITLE: title})

    def _present(self, one: Streamed) -> Descriptor | None:
        if one.file is None or one.name:
            return self._depot.named(one.name)
        return one.file if self._depot.has(one.file) else None

    def _come(self, one: Streamed) -> Descriptor:
        task = self._session.progress.task(one.what, one.file.size if one.file else None, "fetch")
        file = self._depot.take(self._watched(one, task.advance), one.file)
        task.done("fetched")
        if one.name:
            return msgspec.structs.replace(file, annotations={TITLE: one.what, NAME: one.name})
        return file

    def _watched(self, one: Streamed, advance: Callable[[int], object]) -> Iterator[bytes]:
        for block in one.blocks():
            self._session.cancellation.check()
            advance(len(block))
            yield block

    def _list(self, file: Descriptor, what: str, *, added: bool) -> None:
        if self._files.setdefault(file.digest, file) is file:
            self.told.append(FetchedFile(what=what, digest=file.digest, size=file.size, added=added))
