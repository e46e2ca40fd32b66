"""Debian packages are chosen here, verified from the archive's signature down to each file's sha256.

`resolver` asks `archives/` (what there is now, or was at a snapshot, from the signed Release on), `solving/` (what a
request means in it, and what goes together), `bases` (of which packages a base is) and `standing` (over which one);
`security` takes what is locked on to the security archive alone; `names/` is what people call packages.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.resolve.debs.archives.archive import Archive, archive_of, debian_archives, locked_archive
    from cogpack.resolve.debs.archives.keyring import Keyring, read_keyring
    from cogpack.resolve.debs.archives.mirror import DebianMirror
    from cogpack.resolve.debs.archives.snapshot import Snapshot
    from cogpack.resolve.debs.archives.urls import deb_urls, pool_urls
    from cogpack.resolve.debs.bases import BASE_PACKAGES
    from cogpack.resolve.debs.names.elsewhere import NvidiaLibrary, of_interpreter, of_wheels
    from cogpack.resolve.debs.names.libraries import PACKAGES_OF_LIBRARIES
    from cogpack.resolve.debs.names.programs import PROGRAMS
    from cogpack.resolve.debs.names.renamed import answering, is_answered
    from cogpack.resolve.debs.names.tools import COG_TOOLS, WITH_COG_TOOLS
    from cogpack.resolve.debs.names.wheels import WANTS
    from cogpack.resolve.debs.resolver import Brought, resolve_debs
    from cogpack.resolve.debs.security import upgrade_security
    from cogpack.resolve.debs.solving.request import parse_request
    from cogpack.resolve.debs.standing import KeptBase

__all__ = [
    "BASE_PACKAGES",
    "COG_TOOLS",
    "PACKAGES_OF_LIBRARIES",
    "PROGRAMS",
    "WANTS",
    "WITH_COG_TOOLS",
    "Archive",
    "Brought",
    "DebianMirror",
    "KeptBase",
    "Keyring",
    "NvidiaLibrary",
    "Snapshot",
    "answering",
    "archive_of",
    "deb_urls",
    "debian_archives",
    "is_answered",
    "locked_archive",
    "of_interpreter",
    "of_wheels",
    "parse_request",
    "pool_urls",
    "read_keyring",
    "resolve_debs",
    "upgrade_security",
]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "archives.archive": ("Archive", "archive_of", "debian_archives", "locked_archive"),
            "archives.keyring": ("Keyring", "read_keyring"),
            "archives.mirror": ("DebianMirror",),
            "archives.snapshot": ("Snapshot",),
            "archives.urls": ("deb_urls", "pool_urls"),
            "bases": ("BASE_PACKAGES",),
            "names.elsewhere": ("NvidiaLibrary", "of_interpreter", "of_wheels"),
            "names.libraries": ("PACKAGES_OF_LIBRARIES",),
            "names.programs": ("PROGRAMS",),
            "names.renamed": ("answering", "is_answered"),
            "names.tools": ("COG_TOOLS", "WITH_COG_TOOLS"),
            "names.wheels": ("WANTS",),
            "resolver": ("Brought", "resolve_debs"),
            "security": ("upgrade_security",),
            "solving.request": ("parse_request",),
            "standing": ("KeptBase",),
        },
    )
