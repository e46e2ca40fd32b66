"""Packages are read: an archive (deb(5)), its control file, and many of them at once, into a spool."""
