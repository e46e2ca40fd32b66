"""Programs get capabilities as setcap(8) gives them: by an extended attribute (capabilities(7), of version 2)."""

import struct
from collections.abc import Collection

from cogpack.layers.debs.tree import Tree

_NUMBERS = {"cap_net_bind_service": 10, "cap_net_admin": 12, "cap_sys_nice": 23}
_EFFECTIVE = 0x02000001


def attribute(capabilities: Collection[str]) -> tuple[str, bytes]:
    """Name what `setcap CAPABILITIES+ep` writes, and give it: what is permitted, and nothing that is inherited."""
    permitted = sum(1 << _NUMBERS[name] for name in capabilities)
    return "security.capability", struct.pack("<5I", _EFFECTIVE, permitted, 0, 0, 0)


def clock_helper(tree: Tree) -> None:
    """Let GStreamer's helper use the ports of network clocks, and from trixie on go before other processes."""
    later = () if "VERSION_CODENAME=bookworm" in tree.text("usr/lib/os-release") else ("cap_sys_nice",)
    given = attribute(("cap_net_bind_service", "cap_net_admin", *later))
    for name in tree.children("usr/lib"):
        if name.endswith("-linux-gnu"):
            tree.mark(f"usr/lib/{name}/gstreamer1.0/gstreamer-1.0/gst-ptp-helper", given)
