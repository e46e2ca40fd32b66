"""Debian packages become a layer: unpacked, merged and configured over a tree in memory, with no dpkg, chroot or
root."""

from cogpack.layers.debs.package import DebFile
from cogpack.layers.debs.source import DebsSource

__all__ = ["DebFile", "DebsSource"]
