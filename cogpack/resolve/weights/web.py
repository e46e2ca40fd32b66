"""`https://...` is one file of a web server, whichever that is."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from cogpack.config import WeightSource
from cogpack.errors import InputError
from cogpack.http import Http
from cogpack.remote import RemoteFile, refusal
from cogpack.resolve.weights.listing import MAX_DIGITS, FoundFile, choose


class Web:
    """Asks the server that the address names. A file there has no revision."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:  # noqa: ARG002 - has none
        url = source.uri
        name = unquote(urlsplit(url).path).rpartition("/")[2]
        with self._http.follow(url, origin=url, method="HEAD") as stream:
            if stream.status != 200:
                raise refusal(self._http.shown(url), stream)
            length = stream.headers.get("content-length", "")
        if not name or not length.isdecimal() or len(length) > MAX_DIGITS:
            raise InputError(
                f"{self._http.shown(url)}: the server tells no size, or the address no name",
                next_step="host the file elsewhere",
            )
        return choose(source, [FoundFile(path=name, file=name, size=int(length))])

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:  # noqa: ARG002 - all in the uri
        return RemoteFile(self._http, uri, size)
