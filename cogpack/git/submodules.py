"""A tree's `.gitmodules` says where its submodules come from (gitmodules(5))."""

import re
from pathlib import Path

import msgspec

from cogpack.git.objects import NotExactError
from cogpack.git.program import Git, GitFailedError

_NAME = re.compile(r"(?![-/.])[A-Za-z0-9._ +/-]+(?<![/.])")
_HTTP = re.compile(r"https?://[^/@\s]+(?:/[!-~]*)?")
_LEFT = frozenset({"path", "url", "branch", "ignore", "fetchrecursesubmodules", "shallow", "update"})


class Submodule(msgspec.Struct, frozen=True):
    """`url`: as git's config has it; `shallow`: it is advised to fetch one commit."""

    name: str
    path: str
    url: str
    shallow: bool


def read_submodules(git: Git, place: Path, oid: str, base: str) -> list[Submodule]:
    """Read the blob `oid` of a mirror. `base`: the address of the repository that it is of."""
    try:
        said = git("config", "-z", "--blob", oid, "--list", directory=place).decode()
    except (GitFailedError, UnicodeDecodeError):
        raise NotExactError("its .gitmodules can't be read") from None
    found: dict[str, dict[str, str]] = {}
    for entry in filter(None, said.split("\0")):
        key, _, value = entry.partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if section != "submodule":
            continue
        if not name or variable not in _LEFT:
            raise NotExactError(f".gitmodules says {key!r}, of which cogpack does not know what git does")
        found.setdefault(name, {})[variable] = value
    modules = [_submodule(name, values, base) for name, values in sorted(found.items())]
    for above in modules:
        if any(other.name.startswith(f"{above.name}/") for other in modules):
            raise NotExactError(f"the submodule {above.name} has others within its directory")
    return modules


def _submodule(name: str, values: dict[str, str], base: str) -> Submodule:
    if not _NAME.fullmatch(name) or {".", ".."} & set(name.split("/")) or "//" in name:
        raise NotExactError(f"a submodule is called {name!r}")
    if values.get("update", "checkout") not in ("checkout", "merge", "rebase"):
        raise NotExactError(f"the submodule {name} is not updated by a checkout")
    url = _absolute(values.get("url", ""), base)
    if not _HTTP.fullmatch(url):
        raise NotExactError(f"the submodule {name} comes from no address of http or https")
    return Submodule(name, values.get("path", ""), url, values.get("shallow", "").lower() in ("true", "yes", "on", "1"))


def _absolute(url: str, base: str) -> str:
    """Resolve an address that begins with ./ or ../ as git does."""
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while True:
        if url.startswith("../"):
            url, base = url[3:], base.rpartition("/")[0]
        elif url.startswith("./"):
            url = url[2:]
        else:
            break
    if not re.fullmatch(r"https?://[^/]+(?:/.*)?", base):
        return ""
    return f"{base}/{url}".rstrip("/")
