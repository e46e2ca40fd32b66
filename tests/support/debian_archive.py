"""A Debian archive in a directory, signed with a key of its own, as a mirror serves it."""

import gzip
import hashlib
import lzma
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pysequoia

from cogpack.resolve.debs.archives.keyring import Keyring

NOW = datetime.now(UTC).replace(microsecond=0)


class Signer:
    def __init__(self) -> None:
        self._secret = pysequoia.Tsk.generate("Test Archive <test@example.org>")
        self.certificate = self._secret.extract_certificate()
        self.keyring = Keyring(bytes(self.certificate), "Debian's archive key")

    @property
    def secret(self) -> bytes:
        """Armored, as gpg --export-secret-keys has it."""
        return str(self._secret).encode()

    def sign_beside(self, text: str) -> bytes:
        """What lies beside a Release file, as Release.gpg."""
        return bytes(pysequoia.sign(self._secret.signer(), text.encode(), mode=pysequoia.SignatureMode.DETACHED))

    def sign(self, text: str) -> bytes:
        return bytes(pysequoia.sign(self._secret.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR))


def release_text(codename: str, files: dict[str, bytes] | None = None, **fields: str) -> str:
    lines = {
        "Origin": "Debian",
        "Codename": codename,
        "Date": format_datetime(NOW - timedelta(hours=3), usegmt=True),
        "Acquire-By-Hash": "yes",
    } | {key.replace("_", "-"): value for key, value in fields.items()}
    listing = "".join(
        f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in (files or {}).items()
    )
    return "".join(f"{key}: {value}\n" for key, value in lines.items()) + "SHA256:\n" + listing


def write_suite(
    root: Path, archive: str, suite: str, index: str, signer: Signer, arch: str = "amd64", **fields: str
) -> None:
    """`root`/`archive`/dists/`suite` with a signed release, which has `fields`, too, and one index."""
    directory = root / archive / "dists" / suite
    packed = lzma.compress(index.encode())
    path = f"main/binary-{arch}/Packages"
    by_hash = directory / f"main/binary-{arch}/by-hash/SHA256/{hashlib.sha256(packed).hexdigest()}"
    by_hash.parent.mkdir(parents=True, exist_ok=True)
    by_hash.write_bytes(packed)
    text = release_text(suite, {path: index.encode(), f"{path}.xz": packed}, **fields)
    (directory / "InRelease").write_bytes(signer.sign(text))


def write_flat(directory: Path, index: str, signer: Signer, **fields: str) -> None:
    """An archive without suites, as NVIDIA's: a signed release and one index beside the packages."""
    directory.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(index.encode(), mtime=0)
    (directory / "Packages.gz").write_bytes(packed)
    text = release_text("", {"Packages": index.encode(), "Packages.gz": packed}, **fields)
    text = text.replace("Codename: \n", "").replace("Acquire-By-Hash: yes\n", "")
    (directory / "InRelease").write_bytes(signer.sign(text))
