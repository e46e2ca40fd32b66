"""A mirror is a bare repository in the cache: what was fetched of one address. Processes share it.

It has no refs of the server, only those that keep what was fetched. What it is asked for is objects, by their names: so
nothing that an earlier run has brought makes a difference.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.disk import locked_by, write_whole, writing
from cogpack.errors import CogpackError, MismatchError, UnavailableError
from cogpack.git.program import Git, GitFailedError, translated
from cogpack.patterns import pattern
from cogpack.progress import Cancellation, Progress

if TYPE_CHECKING:
    from cogpack.git.reader import Objects
    from cogpack.git.refs import Refs

_TRIES = 3
_AT_ONCE = 200
"""Objects that one command is told of."""
_UNADVERTISED = pattern(r"not our ref|unadvertised object|no such remote ref|couldn't find remote ref")
_RECEIVED = pattern(rb"Receiving objects:.*?, ([0-9.]+) (bytes|KiB|MiB|GiB)")
_UNITS = {b"bytes": 1, b"KiB": 1 << 10, b"MiB": 1 << 20, b"GiB": 1 << 30}


class Mirrors:
    """Has the repositories of one run, below `directory`, which nobody else has written. `mapped`: where an address is
    really asked for; `logins`: variables by which git logs in at an address; `packed`: gives a pack of objects by its
    name, and then no server is asked; `used`: is told of what is looked for in the cache."""

    def __init__(
        self,
        git: Git,
        directory: Callable[[], Path],
        *,
        mapped: Callable[[str], str],
        logins: Callable[[str], Mapping[str, str]] = lambda _: {},
        packed: Callable[[str], Iterator[bytes]] | None = None,
        used: Callable[[Path], None],
        progress: Progress,
        cancellation: Cancellation,
    ) -> None:
        self._git = git
        self._directory = directory
        self._mapped = mapped
        self._logins = logins
        self._packed = packed
        self._used = used
        self._progress = progress
        self._cancellation = cancellation
        self._refs: dict[str, Refs] = {}

    def refs(self, url: str) -> "Refs":
        """Ask a server what it has, once."""
        from cogpack.git.refs import Refs

        if url not in self._refs:
            task = self._progress.task(url, None, "ask")
            words = ("ls-remote", "--symref", "--", self._mapped(url))
            try:
                said = self._asked(url, lambda: self._git(*words, variables=self._logins(url)))
            finally:
                task.done("")
            self._refs[url] = Refs.parse(said)
        return self._refs[url]

    def objects(self, url: str, oids: Sequence[str], depth: int = 0) -> "Objects":
        """Open a mirror that has `oids`, the first of which is a commit, with its history: so many commits of it, or
        all."""
        from cogpack.git.reader import Objects

        return Objects(self._git, self.directory(url, oids, depth))

    def directory(self, url: str, oids: Sequence[str], depth: int = 0) -> Path:
        """Have `oids` fetched that are not there, and give the mirror's directory."""
        kind = " packed" if self._packed else ""  # nothing is fetched into what git didn't fetch
        place = self._directory() / sha256(f"{url} {depth}{kind}".encode()).hexdigest()
        self._used(place)
        with self._locked(place):
            missing = [oid for oid in dict.fromkeys(oids) if not self._has(place, oid)]
            if missing and self._packed:
                self._unpack(place, self._packed(pack_name(oids, depth)), missing)
            elif missing:
                self._fetch(url, place, missing, depth)
        return place

    def pack(self, url: str, oids: Sequence[str], depth: int = 0) -> Iterator[bytes]:
        """Have `oids` fetched, and give a pack of them with their history, as `packed` wants it."""
        yield from pack_of(self._git, self.directory(url, oids, depth), oids)

    def _unpack(self, place: Path, pack: Iterator[bytes], oids: Sequence[str]) -> None:
        """Take a pack: its objects have the names that their bytes give them, whatever it was thought to be."""
        path = place / "objects" / "pack" / f"pack-{sha256(' '.join(oids).encode()).hexdigest()[:40]}.pack"
        write_whole(path, pack)
        try:
            self._git("index-pack", str(path), directory=place)
            for oid in oids:
                self._git("update-ref", f"refs/cogpack/{oid}", oid, directory=place)
        except GitFailedError as error:
            path.unlink(missing_ok=True)
            raise MismatchError(
                f"git: the pack of {oids[0][:12]} can't be read: {error.said.strip():.200}",
                next_step="run cogpack fetch into a new directory",
            ) from None

    def everything(self, url: str) -> Path:
        """Have all branches and tags fetched, and give the mirror's directory."""
        refs = self.refs(url)
        return self.directory(url, [*refs.heads.values(), *refs.tags.values()])

    @contextmanager
    def _locked(self, place: Path) -> Iterator[None]:
        """Have a mirror alone, of all processes, and make it if it is not there."""
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
        with locked_by(place / "cogpack.lock", self._cancellation.wait, mode=0o666):
            if not (place / "objects" / "info").exists():  # which git makes last
                try:
                    self._git("init", "--quiet", "--bare", "--template=", str(place))
                except GitFailedError as error:
                    with writing(place):
                        raise OSError(0, error.said.strip()) from None
            yield

    def _has(self, place: Path, oid: str) -> bool:
        return (place / "refs" / "cogpack" / oid).exists()

    def _fetch(self, url: str, place: Path, oids: Sequence[str], depth: int) -> None:
        for left in (place / "objects" / "pack").glob("tmp_*"):  # by who was killed
            left.unlink(missing_ok=True)
        task = self._progress.task(f"clone: {url}", None, "fetch")
        try:
            for at in range(0, len(oids), _AT_ONCE):
                self._fetch_some(url, place, oids[at : at + _AT_ONCE], depth, task.advance)
        finally:
            task.done("fetched")

    def _fetch_some(
        self, url: str, place: Path, oids: Sequence[str], depth: int, advance: Callable[[int], object]
    ) -> None:
        refspecs = [f"{oid}:refs/cogpack/{oid}" for oid in oids]
        options = ["--progress", "--no-tags", "--force", *([f"--depth={depth}"] if depth else [])]

        def fetch(wanted: Sequence[str]) -> bytes:
            received = 0

            def heard(said: bytes) -> None:
                nonlocal received
                for number, unit in _RECEIVED.findall(said):
                    now = int(float(number) * _UNITS[unit])
                    advance(now - received)
                    received = now

            words = ("fetch", *options, "--", self._mapped(url), *wanted)
            return self._git(*words, directory=place, heard=heard, variables=self._logins(url))

        try:
            self._asked(url, lambda: fetch(refspecs))
        except _UnadvertisedError:
            if depth:
                raise _gone(url, oids[0]) from None
            # An older server gives only what it advertises, and all that belongs to it.
            self._asked(url, lambda: fetch(["+refs/heads/*:refs/server/heads/*", "+refs/tags/*:refs/server/tags/*"]))
            for oid in oids:
                try:
                    self._git("update-ref", f"refs/cogpack/{oid}", oid, directory=place)
                except GitFailedError:
                    raise _gone(url, oid) from None

    def _asked(self, url: str, act: Callable[[], bytes]) -> bytes:
        """Ask a server, again where that may help."""
        failed = 0
        while True:
            try:
                return act()
            except GitFailedError as error:
                if _UNADVERTISED.search(error.said):
                    raise _UnadvertisedError from None
                meant: CogpackError = translated(error, url)
                failed += 1
                if not isinstance(meant, UnavailableError) or failed == _TRIES:
                    raise meant from None
                self._cancellation.wait(2**failed - 1)


def pack_of(git: Git, place: Path, oids: Sequence[str]) -> Iterator[bytes]:
    """Give a pack of `oids`, with what a mirror has of their history."""
    words = ("pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset")
    return git.stream(*words, directory=place, data="".join(f"{oid}\n" for oid in oids).encode())


def pack_name(oids: Sequence[str], depth: int) -> str:
    """Name a pack of `oids`, the first of which is a commit, with so many commits of its history, or all."""
    return f"git {oids[0]} {depth} {sha256(' '.join(sorted(oids)).encode()).hexdigest()[:16]}"


class _UnadvertisedError(Exception):
    """Raised where a server doesn't give an object by its name."""


def _gone(url: str, oid: str) -> MismatchError:
    return MismatchError(
        f"{url}: it has no {oid[:12]}, which a line of the project names or the lock pins",
        next_step="correct the line; where the lock alone has it, cogpack lock --upgrade-run takes what is there now",
    )


def resolve(git: Git, place: Path, revision: str) -> str | None:
    """Give the commit that a name of the mirror means: a whole object name, or the beginning of one."""
    if not re.fullmatch(r"[0-9a-f]{4,40}", revision):
        return None
    try:
        return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", directory=place).decode().strip()
    except GitFailedError:
        return None
