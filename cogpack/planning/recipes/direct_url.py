"""What `direct_url.json` says of a wheel that was built of what a requirement names by its place (PEP 610), as pip
writes it."""

import json
from typing import Any
from urllib.parse import quote

from cogpack.lockfile import BuildSource, GitSource, IndexSource, ProjectSource, UrlSource
from cogpack.requirements.model import LocalPath
from cogpack.runtime.contract import SOURCE, VENV


def direct_url(source: BuildSource, name: str) -> bytes:
    """Give the file's bytes, b"" where pip writes none: of what an index has. `name`: of the package."""
    match source:
        case IndexSource():
            return b""
        case UrlSource():
            said = {"url": source.url, "archive_info": _archive(source.sha256)}
        case GitSource(clone=None, editable=False):
            revision = {"requested_revision": source.requested} if source.requested else {}
            said = {"url": source.url, "vcs_info": {"vcs": "git", "commit_id": source.commit, **revision}}
        case GitSource():
            place = source.clone or f"{VENV}/src/{name}"
            return _encoded(_directory("/".join(filter(None, (place, source.subdirectory))), editable=source.editable))
        case ProjectSource():
            path = f"{SOURCE}/{source.path}"
            if LocalPath(path=source.path).is_archive:
                return _encoded({"url": _file(path), "archive_info": _archive(source.digest.removeprefix("sha256:"))})
            return _encoded(_directory(path, editable=source.editable))
    if source.subdirectory:
        said["subdirectory"] = source.subdirectory
    return _encoded(said)


def _directory(path: str, *, editable: bool) -> dict[str, Any]:
    return {"url": _file(path), "dir_info": {"editable": True} if editable else {}}


def _archive(sha256: str) -> dict[str, Any]:
    return {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}


def _file(path: str) -> str:
    return f"file:///{quote(path)}"


def _encoded(said: dict[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True).encode()
