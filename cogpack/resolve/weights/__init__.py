"""Sources of managed weights are asked which files they have, at which revision, and for their bytes.

`listing`: what each kind of server answers, checked · `hub`, `s3`, `gs`, `web`: one kind each · `refusals`: what an
object store's refusal means.
"""

from collections.abc import Mapping
from threading import Lock

from cogpack.config import WeightSource
from cogpack.http import Http
from cogpack.remote import RemoteFile
from cogpack.resolve.weights.hub import Hub, HubFile, HubKind
from cogpack.resolve.weights.listing import FoundFile, WeightServer, wanted

__all__ = ["FoundFile", "HubFile", "HubKind", "Servers", "is_remote", "wanted"]

_KINDS = ("hf", "s3", "gs", "https")


def is_remote(source: WeightSource) -> bool:
    return source.uri.startswith(tuple(f"{kind}://" for kind in _KINDS))


class Servers:
    """Knows a server of each kind, which learns who we are once a command, and not before it is needed."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        self._http = http
        self._environment = environment
        self.hub = Hub(http, environment)
        self._kinds: dict[str, WeightServer] = {"hf": self.hub}
        self._making = Lock()

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        """See `WeightServer.find`."""
        return self._of(source.uri).find(source, kept)

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        """See `WeightServer.open`."""
        return self._of(uri).open(uri, file, revision, size)

    def _of(self, uri: str) -> WeightServer:
        kind = uri.partition("://")[0]
        with self._making:
            if kind not in self._kinds:
                self._kinds[kind] = self._made(kind)
            return self._kinds[kind]

    def _made(self, kind: str) -> WeightServer:
        """A kind of server is imported when an address names it."""
        match kind:
            case "s3":
                from cogpack.resolve.weights.s3 import S3

                return S3(self._http, self._environment)
            case "gs":
                from cogpack.resolve.weights.gs import Gcs

                return Gcs(self._http, self._environment)
            case "https":
                from cogpack.resolve.weights.web import Web

                return Web(self._http)
        raise AssertionError(f"{kind}: no kind of server")
