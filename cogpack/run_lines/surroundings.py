"""Where a line of `build.run` begins: the directory, the variables, the Python, by which it is read."""

from collections.abc import Mapping
from typing import Literal

import msgspec

ROOT = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt", "proc", "root"}
    | {"run", "sbin", "srv", "sys", "tmp", "usr", "var"}
)
"""What lies in the root of a Linux image (FHS 3.0)."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Says where a line of `build.run` begins: in `directory`, the base image's, in which `entries` lie. The `project`
    gets its directory later.

    `environment`: the image's, what cog.yaml sets among it; steps run as root, whose HOME it needn't name.
    `python`: the version, as "3.11".
    """

    environment: Mapping[str, str] = {}
    architecture: Literal["amd64", "arm64"] = "amd64"
    directory: str = "/"
    entries: frozenset[str] = ROOT
    project: str = "/src"
    python: str = ""
