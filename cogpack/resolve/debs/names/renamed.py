"""Names of packages that a suite has not, and what it has in their place: Debian has dropped them, or Ubuntu alone has
them, which the images that Cog builds upon are made of.

Most were transitional packages: the description said so, and Depends named what took its place. Those are taken where a
suite has no package of the name, and none that provides it.
"""

from collections.abc import Mapping, Sequence

from cogpack.resolve.debs.solving.request import parse_request

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
    "libpango1.0-0": ("libpango-1.0-0", "libpangocairo-1.0-0", "libpangoft2-1.0-0", "libpangoxft-1.0-0"),
    "libsensors4-dev": ("libsensors-dev",),
    "libwayland-egl1-mesa": ("libegl1", "libwayland-egl1"),
    "mime-support": ("mailcap", "media-types"),
    "mlocate": ("plocate",),
    "policykit-1": ("pkexec", "polkitd"),
    "python3-libusb1": ("python3-usb1",),
    "youtube-dl": ("yt-dlp",),
    # Transitional in bullseye (Packages of bullseye/main, the same day), gone in bookworm.
    "liblapack-pic": ("liblapack-dev",),
    "libopenblas-base": ("libopenblas0",),
    "pylint3": ("pylint",),
    "ttf-unifont": ("fonts-unifont",),
    "vim-gtk": ("vim-gtk3",),
    # Transitional in Ubuntu's focal or jammy (Packages of main and universe, read 2026-11-29).
    "chromium-browser": ("chromium",),  # there to a snap
    "chromium-chromedriver": ("chromium-driver",),
    "libjpeg8-dev": ("libjpeg62-turbo-dev",),  # there to libjpeg-turbo8-dev
    "netcat": ("netcat-openbsd",),
    "qt5-default": ("qtbase5-dev", "qtchooser"),
    "ttf-dejavu": ("fonts-dejavu",),
    "ttf-dejavu-core": ("fonts-dejavu-core",),
    "ttf-dejavu-extra": ("fonts-dejavu-extra",),
    "ttf-freefont": ("fonts-freefont-ttf",),
    "ttf-liberation": ("fonts-liberation",),
    "vulkan-utils": ("vulkan-tools",),
    # The same source under another name (Packages of both, the same days).
    "freeglut3": ("libglut3.12",),  # the same soname
    "libdc1394-22-dev": ("libdc1394-dev",),
    "libjpeg-turbo8-dev": ("libjpeg62-turbo-dev",),
    "libmysqlclient-dev": ("default-libmysqlclient-dev",),
    "libtbb2-dev": ("libtbb-dev",),
    # PEP 632: no Python from 3.12 on has distutils, and setuptools brings the one that there is.
    "python3-distutils": ("python3-setuptools",),
}


def transitions(name: str) -> Sequence[str]:
    """Give the other name that a library may have since, or had before, it was built anew for times beyond 2038 (2024,
    wiki.debian.org/ReleaseGoals/64bit-time): both have one soname."""
    return (name.removesuffix("t64") if name.endswith("t64") else f"{name}t64",)


def is_answered(requests: Sequence[str], requested: Mapping[str, str]) -> bool:
    """Tell whether what is `requested` in a lock, by name and with its version, is what `requests` ask for."""
    return answering(requests, requested) == set(requested)


def answering(requests: Sequence[str], requested: Mapping[str, str]) -> set[str] | None:
    """Name those of `requested` that `requests` ask for; None where one has no answer."""
    found: set[str] = set()
    for request in map(parse_request, requests):
        names = RENAMED.get(request.name, transitions(request.name))
        if request.suite:  # nobody knows whether it still has that one
            return None
        if request.name in requested and request.allows(requested[request.name]):
            found.add(request.name)
        elif requested.keys().isdisjoint(names):
            return None
        found |= requested.keys() & names
    return found
