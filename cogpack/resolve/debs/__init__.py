"""Debian packages: which ones an image needs, verified from the archive's signature down to each file's sha256."""

from cogpack.resolve.debs.mirror import Mirror
from cogpack.resolve.debs.renamed import renewed
from cogpack.resolve.debs.resolver import BASE_PACKAGES, PYTHONS, Brought, resolve_debs
from cogpack.resolve.debs.urls import deb_urls

__all__ = ["BASE_PACKAGES", "PYTHONS", "Brought", "Mirror", "deb_urls", "renewed", "resolve_debs"]
