"""This module remembers in which repositories this machine has seen a blob.

Of the same registry it can be mounted, and another registry may give it where making it costs more.

One small file per registry and blob, written whole; a hint, which the registry confirms or not.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import Digest
from cogpack.disk import write_hint
from cogpack.oci import encode
from cogpack.reference import Reference

_KEPT = 3
"""Repositories that are remembered for a blob: as many as are asked."""


class BlobOrigins:
    """Which repositories had which blobs, kept below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._told: dict[Digest, Reference] = {}

    def told(self, digest: Digest, home: Reference) -> None:
        """Hear, for this run, that a repository may have the blob."""
        self._told[digest] = home

    def is_told(self, digest: Digest) -> bool:
        """Tell whether somebody said of this very blob where it is, who is no trace of an earlier push."""
        return digest in self._told

    def home(self, digest: Digest) -> Reference | None:
        """Give the repository of which somebody said so."""
        return self._told.get(digest)

    def of(self, registry: str, digest: Digest) -> list[str]:
        """List repositories of `registry` that had the blob, the latest first."""
        try:
            return msgspec.json.decode(self._path(registry, digest).read_bytes(), type=list[str])[:_KEPT]
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return []

    def origins(self, here: Reference, named: Iterable[Reference], digest: Digest) -> list[str]:
        """List other repositories of `here`'s registry that may have the blob mounted: of `named`, then as seen."""
        told = [self._told[digest]] if digest in self._told else []
        first = [origin.repository for origin in (*told, *named) if origin.registry == here.registry]
        found = dict.fromkeys([*first, *self.of(here.registry, digest)])
        return [repository for repository in found if repository != here.repository][:_KEPT]

    def in_other_registries(self, registry: str, digest: Digest) -> list[Reference]:
        """List repositories of registries other than `registry` that had the blob, the latest pushed to first."""
        found = []
        with suppress(OSError):
            for directory in self._root.iterdir():
                other = directory.name.replace("+", ":")
                with suppress(OSError):
                    if other != registry:
                        when = self._path(other, digest).stat().st_mtime_ns
                        found += [(when, Reference(other, repository)) for repository in self.of(other, digest)[:1]]
        seen = [home for _, home in sorted(found, key=lambda pair: pair[0], reverse=True)]
        told = self._told.get(digest)
        return seen if told is None or told.registry == registry else [told, *(home for home in seen if home != told)]

    def record(self, registry: str, repository: str, digests: Iterable[Digest]) -> None:
        for digest in digests:
            known = self.of(registry, digest)
            if not known or known[0] != repository:
                names = [repository, *(name for name in known if name != repository)][:_KEPT]
                write_hint(self._path(registry, digest), encode(names), lambda _: None)

    def _path(self, registry: str, digest: Digest) -> Path:
        name = digest.removeprefix("sha256:")
        return self._root / registry.replace(":", "+") / name[:2] / name
