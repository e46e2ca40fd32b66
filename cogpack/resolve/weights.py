"""Which files a source of managed weights has, at which revision: questions to Hugging Face's hub and web servers.

`hf://OWNER/NAME[@REVISION]` through `huggingface_hub` (the extra `hf`), which also finds the user's token;
`https://...` is one file.
"""

import fnmatch
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from cogpack.config import WeightSource
from cogpack.digest import Digest, parse_digest
from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http, redacted
from cogpack.remote import RemoteFile, refusal

_HUB = "https://huggingface.co"


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a source. `path`: relative to it; `sha256`: where the server says it."""

    path: str
    size: int
    revision: str | None = None
    sha256: Digest | None = None


def find_files(source: WeightSource, http: Http, environment: Mapping[str, str]) -> list[FoundFile]:
    """The files that `include` and `exclude` leave, sorted by path."""
    found = _hub(source.uri, environment) if source.uri.startswith("hf://") else [_web(source.uri, http)]
    chosen = sorted((file for file in found if wanted(source, file.path)), key=lambda file: file.path)
    for file in chosen:
        parts = file.path.split("/")
        if "\0" in file.path or not all(parts) or {".", ".."} & set(parts):
            raise InputError(f"{source.uri}: names the file {file.path!r:.200}", next_step="exclude it")
    if not chosen:
        raise InputError(f"{source.uri}: no file is left of {len(found)}", next_step="correct include and exclude")
    return chosen


def wanted(source: WeightSource, path: str) -> bool:
    """As the hub's own tools match: a `*` crosses slashes."""

    def matches(globs: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(path, glob + "*" if glob.endswith("/") else glob) for glob in globs)

    return (not source.include or matches(source.include)) and not matches(source.exclude)


def open_remote(uri: str, path: str, revision: str | None, size: int, http: Http, env: Mapping[str, str]) -> RemoteFile:
    """The file at `path` of a source, ready to be read by ranges."""
    if not uri.startswith("hf://"):
        return RemoteFile(http, uri, size)
    repository, _ = _repository(uri)
    url = f"{_endpoint(env)}/{repository}/resolve/{revision}/{quote(path)}"
    token = _token(env)
    return RemoteFile(http, url, size, {"Authorization": f"Bearer {token}"} if token else {})


def _web(url: str, http: Http) -> FoundFile:
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    with http.follow(url, method="HEAD") as stream:
        if stream.status != 200:
            raise refusal(url, stream)
        length = stream.headers.get("content-length", "")
    if not name or not length.isdecimal() or len(length) > 18:
        raise InputError(
            f"{redacted(url)}: the server tells no size, or the address no name", next_step="host the file elsewhere"
        )
    return FoundFile(path=name, size=int(length))


def _repository(uri: str) -> tuple[str, str | None]:
    name, _, revision = uri.removeprefix("hf://").partition("@")
    if name.count("/") != 1 or not all(name.split("/")):
        raise InputError(f"{uri}: expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION", next_step="correct the uri")
    return name, revision or None


def _endpoint(environment: Mapping[str, str]) -> str:
    return (environment.get("HF_ENDPOINT") or _HUB).rstrip("/")


def _token(environment: Mapping[str, str]) -> str | None:
    if token := environment.get("HF_TOKEN"):
        return token.strip()
    try:
        from huggingface_hub import get_token
    except ImportError:
        return None
    found: str | None = get_token()
    return found


def _hub(uri: str, environment: Mapping[str, str]) -> list[FoundFile]:
    repository, revision = _repository(uri)
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise InputError(f"{uri}: needs huggingface_hub", next_step="pip install 'cogpack[hf]'") from None
    api = huggingface_hub.HfApi(endpoint=_endpoint(environment), token=_token(environment) or False)
    try:
        info: Any = api.model_info(repository, revision=revision, files_metadata=True, timeout=60)
    except errors.GatedRepoError as error:
        raise DeniedError(f"{uri}: gated", next_step="accept its terms on the hub, and set HF_TOKEN") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise InputError(
            f"{uri}: no such model or revision, or it is private", next_step="correct the uri, or set HF_TOKEN"
        ) from error
    except CogpackError:
        raise
    except Exception as error:  # the library's own transport has errors of many families
        raise UnavailableError(f"{uri}: {type(error).__name__}: {error}", next_step="run it again later") from error
    return [
        FoundFile(
            path=file.rfilename,
            size=file.size,
            revision=info.sha,
            sha256=parse_digest(f"sha256:{file.lfs.sha256}", where=uri) if file.lfs else None,
        )
        for file in info.siblings or ()
        if file.size is not None
    ]
