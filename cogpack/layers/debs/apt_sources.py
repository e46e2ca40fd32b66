"""apt in the image is told of archives beside Debian's own, as a user would tell it (sources.list(5)).

`apt-get update` and `install` go on working there, and take no other key for them.
"""

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from cogpack.digest import sha256
from cogpack.layers.debs.tree import Tree
from cogpack.oci import encode


class AptSource(msgspec.Struct, frozen=True, kw_only=True):
    """Is an archive, and in `key` the certificates that may sign it, unarmored."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    key: bytes

    @property
    def name(self) -> str:
        """Name its files, by address and suite."""
        where = f"{self.uri.partition('://')[2]}_{self.suites[0]}"
        return re.sub(r"[^A-Za-z0-9.-]+", "_", where).strip("_.")


def write_sources(tree: Tree, sources: Sequence[AptSource]) -> None:
    """Write them, in an image that has apt."""
    if "usr/bin/apt-get" not in tree:
        return
    names = Counter(source.name for source in sources)
    for source in sources:
        name = source.name
        if names[name] > 1:  # "d_b" and "d/b", or http and https
            name = f"{name}_{sha256(encode([source.uri, source.suites])).removeprefix('sha256:')[:8]}"
        keyring = f"etc/apt/keyrings/{name}.gpg"
        fields = {
            "Types": "deb",
            "URIs": source.uri,
            "Suites": " ".join(source.suites),
            "Components": " ".join(source.components),
            "Signed-By": f"/{keyring}",
        }
        text = "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
        tree.write(keyring, source.key)
        tree.write(f"etc/apt/sources.list.d/{name}.sources", text)
