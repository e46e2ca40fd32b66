"""Bases as a lock has them."""

from cogpack.digest import sha256
from cogpack.lockfile.base_kinds import RegistryBase

IMAGE = RegistryBase(
    reference="registry.test/python:1",
    digest=sha256(b""),
    python="3.12",
    has=(),
    glibc="2.36",
    interpreter="/usr/local/bin/python3.12",
    config='{"config": {"Env": ["PYTHON_VERSION=3.12.7"]}, "rootfs": {"diff_ids": []}}',
    layers=(),
)
