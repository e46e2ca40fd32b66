"""Which files a source of managed weights has, at which revision, and their bytes: questions to hubs, object stores
and web servers."""

from collections.abc import Mapping

from cogpack.config import WeightSource
from cogpack.http import Http
from cogpack.remote import RemoteFile
from cogpack.resolve.weights.gs import Gcs
from cogpack.resolve.weights.hub import Hub
from cogpack.resolve.weights.listing import FoundFile, Server, wanted
from cogpack.resolve.weights.s3 import S3
from cogpack.resolve.weights.web import Web

__all__ = ["FoundFile", "Servers", "is_remote", "wanted"]

_KINDS = ("hf", "s3", "gs", "https")


def is_remote(source: WeightSource) -> bool:
    return source.uri.startswith(tuple(f"{kind}://" for kind in _KINDS))


class Servers:
    """All kinds of them, each asked who we are once a command, and not before it is needed."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        self._kinds: Mapping[str, Server] = {
            "hf": Hub(http, environment),
            "s3": S3(http, environment),
            "gs": Gcs(http, environment),
            "https": Web(http),
        }

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        """As `Server.find`."""
        return self._kinds[_kind(source.uri)].find(source, kept)

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        """As `Server.open`."""
        return self._kinds[_kind(uri)].open(uri, file, revision, size)


def _kind(uri: str) -> str:
    return uri.partition("://")[0]
