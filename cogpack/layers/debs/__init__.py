"""Debian packages become a layer: unpacked, merged and configured over a tree in memory, with no dpkg, chroot or
root.

`source`: the steps, in dpkg's order, of a base and of packages over one · `archive`, `control`, `package`: one .deb ·
`unpacking`: many, into a `spool` · `merge`: all of them in one `tree` · `configure`: what maintainer scripts would do,
read by `scripts`, stood in for by `effects`
(`accounts`, `alternatives`, `certificates`, `pam`, `ldcache`) · `database`: what dpkg would know.
"""

from cogpack.layers.debs.package import DebFile
from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource
from cogpack.layers.debs.unpacking import Unpacking

__all__ = ["DebFile", "DebianSource", "PackageSource", "PackagesSource", "Unpacking"]
