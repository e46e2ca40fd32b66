"""Debian has dropped these names of packages, after a release in which they stood for others.

Each was a transitional package: its description said so, and its Depends named what took its place. Where a suite has
no package of the name any more, and none that provides it, those are taken.
"""

from collections.abc import Mapping, Sequence

RENAMED: Mapping[str, Sequence[str]] = {
    # Transitional in bookworm (Packages of bookworm/main, read 2026-11-28), gone in trixie.
    "fonts-nanum-coding": ("fonts-nanum",),
    "fonts-roboto-hinted": ("fonts-roboto-unhinted",),
    "idle3": ("idle",),
    "libegl1-mesa": ("libegl1",),
    "libgdk-pixbuf2.0-0": ("libgdk-pixbuf-2.0-0", "libgdk-pixbuf-xlib-2.0-0"),
    "libgdk-pixbuf2.0-dev": ("libgdk-pixbuf-2.0-dev", "libgdk-pixbuf-xlib-2.0-dev"),
    "libgl1-mesa-glx": ("libgl1", "libglx-mesa0"),
    "libgles2-mesa": ("libgles2",),
    "liblz4-tool": ("lz4",),
    "libodbc1": ("libodbc2", "libodbccr2"),
    "libwayland-egl1-mesa": ("libegl1", "libwayland-egl1"),
    "python3-libusb1": ("python3-usb1",),
    # Transitional in bullseye (Packages of bullseye/main, the same day), gone in bookworm.
    "liblapack-pic": ("liblapack-dev",),
    "libopenblas-base": ("libopenblas0",),
    "ttf-unifont": ("fonts-unifont",),
    "vim-gtk": ("vim-gtk3",),
}


def renewed(requests: Sequence[str]) -> list[str]:
    """Give `requests` as they are locked by a suite that has dropped all of these names."""
    return [name for request in requests for name in RENAMED.get(request, (request,))]
