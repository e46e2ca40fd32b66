"""What images have without asking that Cog builds upon its own base, as users of theirs count on."""

COG_TOOLS = (
    *("build-essential", "cmake", "curl", "ffmpeg", "findutils", "g++", "gcc", "git", "libavcodec-dev"),
    *("libcairo2-dev", "libfontconfig1", "libgirepository1.0-dev", "libgl1", "libglx-mesa0", "libglib2.0-0"),
    *("libopencv-dev", "libsm6", "libsndfile1", "libssl-dev", "libunistring-dev", "libxext6", "libxrender1"),
    *("sox", "unzip", "wget", "zip", "zstd"),
)
"""The packages of Cog's base image (its pkg/dockerfile/base.go, `baseImageSystemPackages`, read at 6110c91)."""

WITH_COG_TOOLS = (
    *("libexpat1", "libx11-6"),
    *("binutils", "bzip2", "make", "patch", "perl", "xz-utils"),
    *("gnupg", "openssh-client", "pkgconf"),
)
"""What these bring in each suite, and wheels and commands want: libfontconfig1 and libxext6 depend on the first two,
build-essential on the next six; dpkg-dev recommends gnupg, git openssh-client, and libcairo2-dev needs pkgconf."""
