"""Large files come by ranges over several connections: many servers hold one connection to some 80 MB/s.

The engine is that of blobs (`registry.pull`): it goes on where a killed process was, ends what crawls, and takes a file
in one answer from servers that know no ranges. Here it is told where files are.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cogpack.digest import Digest
from cogpack.disk import UNFINISHED
from cogpack.errors import CogpackError
from cogpack.http import Http, Retries, Stream, same_origin
from cogpack.oci import Descriptor
from cogpack.registry.pull.tuning import Tuning
from cogpack.registry.refusals import ExpiredError

CONNECTIONS = 8
"""For all files together; one file has them before the others, so that something can be made of it soon."""


class Ranged:
    """Fetches while the `with` is open, from any number of threads."""

    def __init__(
        self,
        http: Http,
        *,
        attempts: int,
        refusal: Callable[[str, Stream], CogpackError],
        tuning: Tuning,
        place: Callable[[Digest], int],
    ) -> None:
        """`attempts`: failures in a row that end a file; `refusal`: what an answer says that holds no file; `place`: of
        a file among the others, lowest first."""
        from cogpack.registry.pull.connections import Fetcher

        self._http = http
        self._attempts = attempts
        self._refusal = refusal
        self._urls: dict[Digest, str] = {}
        self._fetcher = Fetcher(
            self,
            connections=CONNECTIONS,
            cancellation=http.cancellation,
            tuning=tuning,
            place=lambda file: place(file.digest),
        )

    def fetch(
        self, file: Descriptor, url: str, target: Path, on_bytes: Callable[[int], None], stays: Callable[[], bool]
    ) -> os.stat_result | None:
        """Put the file of `url` at `target`, verified. Its status; None where one `stays` that another process brought.

        `on_bytes` hears of what is there, and, as a negative number, of what is thrown away. `MismatchError` where the
        server twice has another file.
        """
        from cogpack.registry.pull.partial import Partial

        # Users who share a cache each have their own: nobody's half is believed to be a file of ours.
        unfinished = target.with_name(f"{UNFINISHED}{target.name[:24]}{os.geteuid() & 0xFFFFFFFF:08x}")
        with Partial.open(unfinished, {file.digest: file.size}, self._http.cancellation) as part:
            if not stays():
                self._urls[file.digest] = url
                self._fetcher.into(file, part.region(file.digest), on_bytes)
                if not stays():
                    return part.keep(target, file.size)
            part.discard()
        return None

    @contextmanager
    def open_blob(
        self, descriptor: Descriptor, headers: Mapping[str, str] = {}, *, at: str | None = None
    ) -> Iterator[Stream]:
        """Ask for a file of `fetch`: an answer of 200, 206 or 416; `at`: where its server sent us before."""
        url = self._urls[descriptor.digest]
        sent = at is not None and not same_origin(at, url)  # else `url` may have a login, which `at` has not
        with self._http.follow(at if at is not None and sent else url, origin=url, headers=headers) as stream:
            if stream.status not in (200, 206, 416):
                error = self._refusal(url, stream)
                raise ExpiredError(error.message, next_step=error.next_step) if sent else error
            yield stream

    def blame_mirror(self, _: CogpackError) -> bool:
        return False

    def retries(self) -> Retries:
        """Outages are waited for by who knows whether another place has the file."""
        return self._http.retries(self._attempts, wait_out=False)

    def __enter__(self) -> Self:
        self._fetcher.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._fetcher.__exit__(*error)
