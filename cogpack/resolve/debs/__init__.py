"""Debian packages are chosen here, verified from the archive's signature down to each file's sha256.

`resolver` asks `release_file` (the signed root), `index` (what there is), `universe` (what a `request` means in it) and
`solver` (what goes together), which need `relation` and `version`; `mirror` and `urls` say where files are fetched;
`chains` tells who brings whom, `names/` what people call packages.
"""

from cogpack.resolve.debs.mirror import DebianMirror
from cogpack.resolve.debs.names.elsewhere import NvidiaLibrary, of_wheels
from cogpack.resolve.debs.names.programs import PROGRAMS
from cogpack.resolve.debs.names.renamed import is_answered
from cogpack.resolve.debs.names.tools import COG_TOOLS
from cogpack.resolve.debs.names.wheels import WANTS
from cogpack.resolve.debs.resolver import BASE_PACKAGES, PYTHONS, Brought, resolve_debs
from cogpack.resolve.debs.urls import deb_urls, pool_urls

__all__ = [
    "BASE_PACKAGES",
    "COG_TOOLS",
    "PROGRAMS",
    "PYTHONS",
    "WANTS",
    "Brought",
    "DebianMirror",
    "NvidiaLibrary",
    "deb_urls",
    "is_answered",
    "of_wheels",
    "pool_urls",
    "resolve_debs",
]
