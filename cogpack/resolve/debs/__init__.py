"""Debian packages are chosen here, verified from the archive's signature down to each file's sha256.

`resolver` asks `release_file` (the signed root), `index` (what there is), `universe` (what a `request` means in it) and
`solver` (what goes together), which need `relation` and `version`; `mirror` and `urls` say where files are fetched. For
people: `renamed` and `elsewhere` know names that there are no more or not here, `suggest`, with `programs`, those that
are meant, `chains` who brings whom.
"""

from cogpack.resolve.debs.elsewhere import NvidiaLibrary, of_wheels
from cogpack.resolve.debs.mirror import DebianMirror
from cogpack.resolve.debs.programs import PROGRAMS
from cogpack.resolve.debs.renamed import is_answered
from cogpack.resolve.debs.resolver import BASE_PACKAGES, PYTHONS, Brought, resolve_debs
from cogpack.resolve.debs.urls import deb_urls, pool_urls

__all__ = [
    "BASE_PACKAGES",
    "PROGRAMS",
    "PYTHONS",
    "Brought",
    "DebianMirror",
    "NvidiaLibrary",
    "deb_urls",
    "is_answered",
    "of_wheels",
    "pool_urls",
    "resolve_debs",
]
