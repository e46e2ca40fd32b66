"""What is known of the files of an image that others made: where each is, and the contents of a few."""

from typing import BinaryIO

import msgspec

from cogpack.errors import InputError
from cogpack.layers.debs.effects.ldcache import SharedObject

KEPT_LIMIT = 16 * 1024 * 1024
"""Bytes of a file that are kept; dpkg's largest is its status, of 1 MB or two."""
_KEPT = (
    "etc/",
    "lib/sysusers.d/",
    "usr/lib/os-release",
    "usr/lib/sysusers.d/",
    "usr/local/share/ca-certificates/",
    "usr/share/base-files/",
    "usr/share/base-passwd/",
    "usr/share/binfmts/",
    "usr/share/ca-certificates/",
    "usr/share/debianutils/",
    "usr/share/keyrings/",
    "usr/share/pam/",
    "usr/share/pam-configs/",
    "var/lib/dpkg/",
    "var/lib/pam/",
    "var/lib/shells.state",
    "var/lib/ucf/",
)


def is_kept(path: str, size: int) -> bool:
    """Tell whether the contents at `path` are kept: settings, and what dpkg and those who stand in for scripts read."""
    return size <= KEPT_LIMIT and path.startswith(_KEPT)


class Unread(msgspec.Struct, frozen=True):
    """Is content that was seen once and let go. `shared_object`: what the library cache wants of it, if it is one."""

    path: str
    size: int
    shared_object: SharedObject | None = None

    def open(self) -> BinaryIO:
        raise InputError(
            f"/{self.path}: a package that is laid over the base wants what this file has, which is not kept of a base",
            next_step="choose a base that has the package",
        )
