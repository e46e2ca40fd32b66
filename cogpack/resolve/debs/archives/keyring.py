"""A keyring holds the OpenPGP certificates that may sign an archive (RFC 9580), as apt's Signed-By names one."""

from functools import lru_cache
from importlib import resources

import msgspec
import pysequoia

from cogpack.errors import InputError

_SECRET = (b"\x94", b"\x95", b"\x96", b"\xc5")
"""How a packet of tag 5 begins (RFC 9580 4.2)."""
_KEYS = "gpg --export --armor FINGERPRINT writes one"


class Keyring(msgspec.Struct, frozen=True):
    """Holds certificates one after another, unarmored. `whose`: for messages, as in "Debian's archive key"."""

    data: bytes
    whose: str

    @property
    def certificates(self) -> tuple[pysequoia.Cert, ...]:
        return _parsed(self.data)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Give those of the primary keys, in hex of small letters."""
        return tuple(certificate.fingerprint for certificate in self.certificates)


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> tuple[pysequoia.Cert, ...]:
    return tuple(pysequoia.Cert.split_bytes(data))


def read_keyring(data: bytes, *, where: str, whose: str) -> Keyring:
    """Read certificates, armored or not. `where`: begins what is said of other files."""
    if b"PGP PRIVATE KEY BLOCK" in data or data.startswith(_SECRET):
        raise InputError(f"{where}: holds a secret key, which nobody needs to check a signature", next_step=_KEYS)
    try:
        found = pysequoia.Cert.split_bytes(data)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{where}: is no OpenPGP certificate ({reason:.200})", next_step=_KEYS) from None
    if not found:
        raise InputError(f"{where}: holds no OpenPGP certificate", next_step=_KEYS)
    return Keyring(b"".join(map(bytes, found)), whose)


@lru_cache(maxsize=1)
def debian_keyring() -> Keyring:
    """Read Debian's automatic signing keys for the suites we use, taken from its package debian-archive-keyring."""
    directory = resources.files("cogpack.resolve.debs") / "keys"
    files = sorted((file for file in directory.iterdir() if file.name.endswith(".gpg")), key=lambda file: file.name)
    return Keyring(b"".join(file.read_bytes() for file in files), "Debian's archive key")
