"""Debian packages are chosen here, verified from the archive's signature down to each file's sha256.

`resolver` asks `release_file` (the signed root), `index` (what there is), `universe` (what a request means in it) and
`solver` (what goes together), which need `relation` and `version`; `renamed` and `chains` tell people of it; `mirror`
and `urls` say where files are fetched.
"""

from cogpack.resolve.debs.mirror import DebianMirror
from cogpack.resolve.debs.renamed import renewed
from cogpack.resolve.debs.resolver import BASE_PACKAGES, PYTHONS, Brought, resolve_debs
from cogpack.resolve.debs.urls import deb_urls, pool_urls

__all__ = ["BASE_PACKAGES", "PYTHONS", "Brought", "DebianMirror", "deb_urls", "pool_urls", "renewed", "resolve_debs"]
