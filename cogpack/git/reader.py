"""Objects of a repository here are read by `git cat-file --batch`, and each is held to its name on the way."""

import subprocess
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Self, cast

from cogpack.errors import MismatchError
from cogpack.git.objects import Kind, NotExactError, check_oid, hasher
from cogpack.git.program import Git
from cogpack.sizes import BLOCK

_AT_ONCE = 64
"""Objects that are asked for at once: their names are less than a pipe holds, so that nobody waits for who waits for
us."""


class Objects:
    """Reads one repository. Thread-safe; ends with its last user."""

    def __init__(self, git: Git, directory: Path) -> None:
        self._process = git.start("cat-file", "--batch", directory=directory)
        self._git = git
        self._directory = directory
        self._lock = threading.Lock()
        self.close = weakref.finalize(self, _end, self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, oid: str, kind: Kind) -> bytes:
        """Read one object, which is `kind`."""
        ((_, data),) = self.read_all([oid], kind)
        return data

    def read_all(self, oids: Iterable[str], kind: Kind) -> Iterator[tuple[str, bytes]]:
        """Read many, in their order."""
        for oid, found, data in self.read_any(oids):
            if found != kind:
                raise NotExactError(f"{oid} is a {found}, and no {kind}")
            yield oid, data

    def read_any(self, oids: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
        """Read many, whatever they are; other reads may come between."""
        names = iter(oids)
        while some := list(islice(names, _AT_ONCE)):
            with self._lock:
                self._ask(some)
                read = [self._one(oid) for oid in some]
            yield from read

    def _one(self, oid: str) -> tuple[str, str, bytes]:
        kind, size = self._head(oid)
        data = self._exactly(size)
        name = hasher(kind, size)
        name.update(data)
        check_oid(oid, name.hexdigest())
        return oid, kind, data

    def sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Tell the sizes of objects without reading them."""
        names = list(oids)
        said = self._git(
            "cat-file", "--batch-check", directory=self._directory, data="".join(f"{oid}\n" for oid in names).encode()
        )
        found: dict[str, int] = {}
        for oid, line in zip(names, said.decode().splitlines(), strict=True):
            words = line.split(" ")
            if len(words) != 3:
                raise _missing(oid)
            found[oid] = int(words[2])
        return found

    def stream(self, oid: str) -> Iterator[bytes]:
        """Read one large blob in pieces; that it was another is told at its end."""
        with Objects(self._git, self._directory) as other:
            other._ask([oid])
            kind, left = other._head(oid)
            name = hasher(kind, left)
            while left:
                block = other._exactly(min(left, BLOCK), end=False)
                left -= len(block)
                name.update(block)
                yield block
            check_oid(oid, name.hexdigest())

    def _ask(self, oids: Iterable[str]) -> None:
        try:
            self._process.stdin.write("".join(f"{oid}\n" for oid in oids).encode())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            raise self._ended() from None

    def _head(self, oid: str) -> tuple[str, int]:
        line = self._process.stdout.readline().decode()  # type: ignore[union-attr]
        words = line.split()
        if words[1:] == ["missing"]:
            raise _missing(oid)
        if len(words) != 3 or words[0] != oid:
            raise self._ended()
        return words[1], int(words[2])

    def _exactly(self, size: int, *, end: bool = True) -> bytes:
        data = cast("bytes", self._process.stdout.read(size + end))  # type: ignore[union-attr]
        if len(data) != size + end:
            raise self._ended()
        return data[:-1] if end else data

    def _ended(self) -> MismatchError:
        return MismatchError(
            f"git: the copy of the repository in {self._directory} can't be read",
            next_step="run cogpack cache clean, then try again",
        )


def _missing(oid: str) -> MismatchError:
    return MismatchError(
        f"git: the object {oid} is missing in the copy of the repository",
        next_step="run cogpack cache clean, then try again",
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(OSError):
                stream.close()
    process.wait()
