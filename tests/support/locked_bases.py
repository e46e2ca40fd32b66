"""Bases as a lock has them."""

from cogpack.digest import sha256
from cogpack.lockfile.base_kinds import DebianRelease, RegistryBase

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

RELEASE = DebianRelease(
    archive="debian",
    suite="trixie",
    date="2026-01-01T00:00:00Z",
    sha256="0" * 64,
    signed_by="0" * 40,
    snapshot="20260101T000000Z",
)
