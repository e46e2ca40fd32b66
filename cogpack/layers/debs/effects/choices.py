"""Alternatives that maintainer scripts register in other than literal lines are told here."""

from collections.abc import Mapping, Sequence

from cogpack.layers.debs.effects.alternatives import Alternative, Slave

_OF_LZMA = {"lzma": "xz", "unlzma": "unxz"} | {
    f"lz{tool}": f"xz{tool}" for tool in ("cat", "more", "less", "diff", "cmp", "grep", "egrep", "fgrep")
}

CHOICES: Mapping[str, Sequence[Alternative]] = {
    "xz-utils": (
        Alternative(
            "/usr/bin/lzma",
            "lzma",
            "/usr/bin/xz",
            20,
            (
                *(Slave(f"/usr/bin/{one}", one, f"/usr/bin/{xz}") for one, xz in _OF_LZMA.items() if one != "lzma"),
                *(
                    Slave(f"/usr/share/man/man1/{one}.1.gz", f"{one}.1.gz", f"/usr/share/man/man1/{xz}.1.gz")
                    for one, xz in _OF_LZMA.items()
                ),
            ),
        ),
    ),
    # By configure-symlinks of mysql-common; a line of its own asks first whether that has done so.
    "mariadb-common": (Alternative("/etc/mysql/my.cnf", "my.cnf", "/etc/mysql/mariadb.cnf", 200),),
}
"""By package. What is told here goes before what a literal line would register."""
