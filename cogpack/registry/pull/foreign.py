"""Foreign layers lie where their URLs say, and not in registries: Windows' base layers (image-spec descriptor.md).

A URL is the word of whoever made the image (CVE-2020-15157). It is followed to hosts that the user names, without any
credentials, and to no address where the registry could not send us either. Digest and size are checked as of any blob.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

from cogpack.digest import Digest
from cogpack.errors import CogpackError, InputError, UnavailableError
from cogpack.http import RETRIED, Http, Retries, Stream, host_only
from cogpack.oci import Descriptor
from cogpack.registry.pull.connections import BlobRequests, reading
from cogpack.registry.refusals import ExpiredError
from cogpack.registry.repository import check_coding

_ADDRESS = re.compile(r"https?://((?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?:[/?]|\Z)")


class ForeignLayers:
    """`BlobRequests` to the URLs of layers.

    `hosts`: HOST or HOST:PORT. `origin`: an address of the registry that gave the URLs, "" where none did.
    """

    def __init__(self, http: Http, hosts: Collection[str], *, origin: str) -> None:
        self._http = http
        self._hosts = {host.lower() for host in hosts}
        self._origin = origin

    def urls(self, layer: Descriptor) -> list[str]:
        """List the URLs that may be followed."""
        return [url for url in layer.urls or () if (host := _host(url)) and not self._needed(url, host)]

    def advice(self, layer: Descriptor) -> str:
        """Give the options without which its URLs can't be followed, "" where nothing helps."""
        needed = (self._needed(url, host) for url in layer.urls or () if (host := _host(url)))
        return next(needed, "")

    def _needed(self, url: str, host: str) -> str:
        options = [] if {host, host_only(host)} & self._hosts else [f"--allow-foreign {host}"]
        if not url.startswith("https:") and not self._http.trust.allows_plain(host):
            options.append(f"--insecure-registry {host}")
        return " ".join(options)

    @contextmanager
    def open_blob(
        self, descriptor: Descriptor, headers: Mapping[str, str] = {}, *, at: str | None = None
    ) -> Iterator[Stream]:
        """Open what `Repository.open_blob` does, at the first URL that gives it; one of `urls` at least is there."""
        error: CogpackError | None = None
        for url in [at] if at else self.urls(descriptor):
            with ExitStack() as stack:
                try:
                    stream = stack.enter_context(self._opened(url, headers, expired=at is not None))
                except (UnavailableError, InputError) as failed:
                    error = failed
                    continue
                yield stream
                return
        assert error is not None
        raise error

    @contextmanager
    def _opened(self, url: str, headers: Mapping[str, str], *, expired: bool) -> Iterator[Stream]:
        with self._http.follow(url, origin=self._origin or url, headers=headers) as stream:
            if stream.status not in (200, 206, 416):
                raise _failure(stream, expired=expired)
            check_coding(stream)
            yield stream

    def blame_mirror(self, why: CogpackError) -> bool:  # noqa: ARG002 - there are no mirrors of it
        return False

    def retries(self) -> Retries:
        return self._http.retries(math.inf)

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """Open a layer; drained, its bytes were verified."""
        return reading(self, descriptor, self._http.cancellation)


class WithForeign:
    """`BlobRequests` for all blobs: to the registry, but for the layers in `away` to their URLs."""

    def __init__(self, registry: BlobRequests, foreign: ForeignLayers, away: Collection[Digest]) -> None:
        self._registry = registry
        self._foreign = foreign
        self._away = away

    def open_blob(
        self, descriptor: Descriptor, headers: Mapping[str, str] = {}, *, at: str | None = None
    ) -> AbstractContextManager[Stream]:
        source = self._foreign if descriptor.digest in self._away else self._registry
        return source.open_blob(descriptor, headers, at=at)

    def blame_mirror(self, why: CogpackError) -> bool:
        return self._registry.blame_mirror(why)

    def retries(self) -> Retries:
        return self._registry.retries()


def _host(url: str) -> str:
    """Read HOST or HOST:PORT; "" of what is no plain http address."""
    found = _ADDRESS.match(url)
    return found[1].lower() if found else ""


def _failure(stream: Stream, *, expired: bool) -> CogpackError:
    said = f"GET {stream.shown}: HTTP {stream.status}"
    if stream.status in RETRIED:
        return UnavailableError(said, next_step="run it again later")
    if expired:
        return ExpiredError(said, next_step="run it again")
    return InputError(f"{said} for a layer that no registry has", next_step="ask whoever made the image")
