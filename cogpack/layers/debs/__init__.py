"""Debian packages become a layer: unpacked, merged and configured over a tree in memory, with no dpkg, chroot or
root.

`source`: the steps, in dpkg's order, of a base and of packages over one · `deb/`: packages are read, into a spool ·
`merge`: all of them in one `tree` · `configure`: what maintainer scripts would do, by `effects/` · `database`: what
dpkg would know, `apt_sources`: what apt is told.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.layers.debs.apt_sources import AptSource
    from cogpack.layers.debs.deb.package import DebFile
    from cogpack.layers.debs.deb.unpacking import Unpacking
    from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource

__all__ = ["AptSource", "DebFile", "DebianSource", "PackageSource", "PackagesSource", "Unpacking"]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "apt_sources": ("AptSource",),
            "deb.package": ("DebFile",),
            "deb.unpacking": ("Unpacking",),
            "source": ("DebianSource", "PackageSource", "PackagesSource"),
        },
    )
