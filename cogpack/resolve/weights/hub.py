"""`hf://OWNER/NAME[@REVISION]` is listed by `huggingface_hub`, which also finds the user's token, and read by us."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, urlsplit

from cogpack.config import WeightSource
from cogpack.config.steps import has_host
from cogpack.digest import parse_digest
from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http, redacted
from cogpack.remote import RemoteFile, following
from cogpack.resolve.weights.listing import FoundFile, choose

_HUB = "https://huggingface.co"

HubKind: TypeAlias = Literal["model", "dataset", "space"]


class HubFile(FoundFile, frozen=True, kw_only=True):
    """Is a file of a repository. `blob`: what git calls its bytes, where these are not in git-lfs."""

    blob: str | None = None


class Hub:
    """Asks Hugging Face's hub, or HF_ENDPOINT. The revision of all files of a repository is its commit."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        self._http = http
        self._environment = environment

    @property
    def _endpoint(self) -> str:
        named = self._environment.get("HF_ENDPOINT") or _HUB
        if not has_host(named):
            raise InputError(f"HF_ENDPOINT: no address of a hub: {named!r:.200}", next_step=f"write it like {_HUB}")
        return named.rstrip("/")

    def find(self, source: WeightSource, kept: Mapping[str, str]) -> list[FoundFile]:
        repository, revision = _repository(source.uri)
        pinned = next(iter(kept.values()), None)
        return choose(source, self.list(source.uri, repository, revision or pinned)[1])

    def open(self, uri: str, file: str, revision: str | None, size: int) -> RemoteFile:
        repository, _ = _repository(uri)
        return self.open_file(repository, file, revision, size)

    def open_file(
        self, repository: str, file: str, revision: str | None, size: int, kind: HubKind = "model"
    ) -> RemoteFile:
        """Make a file of a repository ready to be read by ranges."""
        where = repository if kind == "model" else f"{kind}s/{repository}"
        url = f"{self._endpoint}/{where}/resolve/{revision}/{quote(file)}"
        token = self._token(url)
        credentials = {"Authorization": f"Bearer {token}"} if token else {}
        return RemoteFile(self._http, url, size, lambda headers: following(self._http, url, {**headers, **credentials}))

    def _token(self, url: str) -> str | None:
        """Give the user's token for `url`, which is of the endpoint; an `InputError` where anybody could read it."""
        parts = urlsplit(url)
        token = self._own_token()
        plain = parts.scheme != "https" and not self._http.trust.allows_plain(parts.netloc)
        if token and plain and not self._http.url_map.find(url):
            raise InputError(
                f"HF_ENDPOINT: {redacted(self._endpoint)}: a token is not sent in the clear",
                next_step=f"write an https address; or leave out HF_TOKEN, or add --insecure-registry {parts.netloc}",
            )
        return token

    def _own_token(self) -> str | None:
        if token := self._environment.get("HF_TOKEN"):
            return token.strip()
        try:
            from huggingface_hub import get_token
        except ImportError:
            return None
        found: str | None = get_token()
        return found

    def list(
        self, uri: str, repository: str, revision: str | None, kind: HubKind = "model"
    ) -> tuple[str, list[HubFile]]:
        """Tell the commit that a revision is, and all its files. `uri`: what messages call it."""
        try:
            import huggingface_hub
            from huggingface_hub import errors
        except ImportError:
            raise InputError(f"{uri}: needs huggingface_hub", next_step="pip install 'cogpack[hf]'") from None
        asked = self._http.url_map.find(self._endpoint)
        # The token is for the endpoint, and not for where it is mapped to.
        token = (not asked and self._token(self._endpoint)) or False
        api = huggingface_hub.HfApi(endpoint=asked or self._endpoint, token=token)
        shown = f"{uri} (through {redacted(asked)})" if asked else uri
        try:
            info: Any = api.repo_info(repository, revision=revision, repo_type=kind, files_metadata=True, timeout=60)
        except errors.GatedRepoError as error:
            raise DeniedError(f"{shown}: gated", next_step="accept its terms on the hub, and set HF_TOKEN") from error
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            raise InputError(
                f"{shown}: no such {kind} or revision, or it is private", next_step="correct the name, or set HF_TOKEN"
            ) from error
        except CogpackError:
            raise
        except Exception as error:  # the library's own transport has errors of many families
            what = f"{shown}: {type(error).__name__}: {error}"
            raise UnavailableError(what, next_step="run it again later") from error
        return info.sha, [
            HubFile(
                path=file.rfilename,
                file=file.rfilename,
                size=file.size,
                revision=info.sha,
                sha256=parse_digest(f"sha256:{file.lfs.sha256}", where=uri) if file.lfs else None,
                blob=None if file.lfs else file.blob_id,
            )
            for file in info.siblings or ()
            if file.size is not None
        ]


def _repository(uri: str) -> tuple[str, str | None]:
    name, _, revision = uri.removeprefix("hf://").partition("@")
    if name.count("/") != 1 or not all(name.split("/")):
        raise InputError(f"{uri}: expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION", next_step="correct the uri")
    return name, revision or None
