"""A package of somebody else's lock becomes a line that holds its version and its hashes."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from cogpack.requirements.model import within

_PYPI = re.compile(r"https?://pypi\.org(?:[:/]|\Z)")


def pinned(name: str, version: str, hashes: Iterable[str]) -> str:
    return " ".join([f"{name}=={version}", *(f"--hash={digest}" for digest in dict.fromkeys(hashes))])


def at_address(name: str, url: str, digest: str | None, directory: str | None = None) -> str:
    """Name a file by its address, and its hash where the lock has one."""
    address = f"{name} @ {quote(url, safe=':/?=&%+~@#')}{within(directory)}"
    return address + (f" --hash={digest}" if digest else "")


def at_commit(name: str, url: str, commit: str, directory: str | None) -> str:
    return f"{name} @ git+{url}@{commit}{within(directory)}"


def in_project(path: str) -> str:
    return path if path.startswith(("./", "../", "/")) else f"./{path}"


def from_index(address: str | None) -> Iterator[str]:
    """Name the index that a package is from; PyPI is what this machine takes for it."""
    if address and not _PYPI.match(address):
        yield f"--extra-index-url {address}"


def file_in_project(path: str, digest: str | None) -> str:
    """Write an archive or a wheel of the project, of which a lock may have the hash (`sha256:...`)."""
    return in_project(path) + (f" --hash={digest}" if digest and digest.startswith("sha256:") else "")
