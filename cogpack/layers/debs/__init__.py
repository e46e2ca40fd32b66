"""Debian packages become a layer: unpacked, merged and configured over a tree in memory, with no dpkg, chroot or
root.

`source`: the steps, in dpkg's order, of a base and of packages over one · `deb/`: packages are read, into a spool ·
`merge`: all of them in one `tree` · `configure`: what maintainer scripts would do, by `effects/` · `database`: what
dpkg would know, `apt_sources`: what apt is told.
"""
