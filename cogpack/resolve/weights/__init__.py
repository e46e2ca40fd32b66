"""Sources of managed weights are asked which files they have, at which revision, and for their bytes.

`listing`: what each kind of server answers, checked · `hub`, `s3`, `gs`, `web`: one kind each · `refusals`: what an
object store's refusal means.
"""

from collections.abc import Mapping

from cogpack.config import WeightSource
from cogpack.http import Http
from cogpack.remote import RemoteFile
from cogpack.resolve.weights.gs import Gcs
from cogpack.resolve.weights.hub import Hub, HubFile, HubKind
from cogpack.resolve.weights.listing import FoundFile, WeightServer, wanted
from cogpack.resolve.weights.s3 import S3
from cogpack.resolve.weights.web import Web

__all__ = ["FoundFile", "HubFile", "HubKind", "Servers", "is_remote", "wanted"]

_KINDS = ("hf", "s3", "gs", "https")


def is_remote(source: WeightSource) -> bool:
    return source.uri.startswith(tuple(f"{kind}://" for kind in _KINDS))


class Servers:
    """Knows a server of each kind, which learns who we are once a command, and not before it is needed."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        self.hub = Hub(http, environment)
        self._kinds: Mapping[str, WeightServer] = {
            "hf": self.hub,
            "s3": S3(http, environment),
            "gs": Gcs(http, environment),
            "https": Web(http),
        }

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        """See `WeightServer.find`."""
        return self._kinds[_kind(source.uri)].find(source, kept)

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        """See `WeightServer.open`."""
        return self._kinds[_kind(uri)].open(uri, file, revision, size)


def _kind(uri: str) -> str:
    return uri.partition("://")[0]
