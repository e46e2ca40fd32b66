"""Java's certificates come out the same whenever they were written."""

import hashlib
import os
import struct
import subprocess
from pathlib import Path

import pytest

from cogpack.planning.steps.java_keystore import COMMAND


def keystore(*entries: tuple[bytes, int], password: str = "changeit", kind: int = 2) -> bytes:
    data = struct.pack(">III", 0xFEEDFEED, 2, len(entries))
    for alias, time in entries:
        data += struct.pack(">IH", kind, len(alias)) + alias + struct.pack(">Q", time)
        data += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", 4) + b"cert"
    return data + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + data).digest()


def normal(directory: Path, data: bytes) -> bytes:
    path = directory / "cacerts"
    path.write_bytes(data)
    command = COMMAND.replace("/etc/ssl/certs/java/cacerts", str(path))
    environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "3"}
    subprocess.run(["/bin/sh", "-c", command], env=environment, check=True)
    return path.read_bytes()


def test_times_and_order_are_nobodys(tmp_path: Path) -> None:
    found = normal(tmp_path, keystore((b"debian:b", 1795905076960), (b"debian:a", 1795905076347)))
    assert found == keystore((b"debian:a", 3000), (b"debian:b", 3000))


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [keystore((b"a", 5), password="other"), keystore((b"a", 5), kind=1), b"PKCS12, perhaps" * 10, b""]
)
def test_what_is_not_understood_stays_as_it_is(tmp_path: Path, other: bytes) -> None:
    assert normal(tmp_path, other) == other
