"""Which CPython runs in an image: its base's own, or one of python-build-standalone that is laid over any base."""

from typing import Annotated

import msgspec

from cogpack.digest import parse_digest
from cogpack.lockfile.table import FILE, LockedSize, LockTable


class Python(msgspec.Struct, frozen=True):
    """Is a CPython of an image. `minor`: "3.13"; `path`: absolute; `release`: "3.13.5", where that is known."""

    minor: str
    path: str
    release: str | None


class LockedInterpreter(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is an archive of python-build-standalone. `url`: as its publisher has it; `sha256`: hex, as uv knows it."""

    version: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\Z")]
    url: Annotated[str, msgspec.Meta(pattern=r"\A(?:https?|file)://[!-~]+\Z")]
    sha256: str
    size: LockedSize | None = None

    def __post_init__(self) -> None:
        parse_digest(f"sha256:{self.sha256}", where=f"{FILE}: CPython {self.version}")

    @property
    def prefix(self) -> str:
        """Give the absolute path of its directory in the image, the same for all patch levels."""
        return f"/opt/cpython-{self._minor}"

    @property
    def python(self) -> Python:
        return Python(self._minor, f"{self.prefix}/bin/python{self._minor}", self.version)

    @property
    def _minor(self) -> str:
        return self.version.rpartition(".")[0]
