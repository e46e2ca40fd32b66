"""Offers are signed by OpenPGP keys (RFC 9580), which are Ed25519 unless somebody chose another kind."""

from collections.abc import Mapping
from pathlib import Path

import pysequoia

from cogpack.disk import open_regular
from cogpack.errors import InputError
from cogpack.planning.shared_layers.offer import Offer
from cogpack.project import Project, read_key
from cogpack.resolve.debs.archives.keyring import Keyring, read_keyring
from cogpack.sizes import MiB

KEY, PASSWORD = "COGPACK_SIGNING_KEY_FILE", "COGPACK_SIGNING_KEY_PASSWORD"
_EXPORT = "gpg --export-secret-keys --armor FINGERPRINT writes one"


_NAMED = "a key that cog.yaml names"


def read_keys(project: Project) -> Keyring | None:
    """Read the certificates that `cogpack.shared_layers.keys` names, if any."""
    found = b""
    for at, file in enumerate(project.config.pack.shared_layers.keys):
        where = project.config.where(f"cogpack.shared_layers.keys[{at}]")
        found += read_keyring(read_key(project.root, file, where)[1], where=f"{where}: {file}", whose="").data
    return Keyring(found, _NAMED) if found else None


def signer_of(offer: Offer, keys: Keyring | None) -> str | None:
    """Tell the fingerprint of the key among `keys` that signed it; None where none did."""
    if not offer.signature or keys is None:
        return None
    certificates = keys.certificates
    try:
        signature = pysequoia.Sig.from_bytes(offer.signature.encode())
        verified = pysequoia.verify(bytes=offer.statement, store=lambda _ids: [*certificates], signature=signature)
    except (RuntimeError, ValueError):
        return None
    signers = {signature.certificate for signature in verified.valid_sigs} & {*keys.fingerprints}
    return min(signers, default=None)


class Signer:
    """Signs with a secret key. `keys`: its certificate."""

    def __init__(self, data: bytes, password: str | None, *, where: str) -> None:
        try:
            secret = pysequoia.Tsk.from_bytes(data)
            self._signer = secret.signer(password)
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{where}: no secret key that can sign ({reason:.200})",
                next_step=f"{_EXPORT}; {PASSWORD} is the password of one that has one",
            ) from None
        self.keys = Keyring(bytes(secret.extract_certificate()), _NAMED)

    def sign(self, offer: Offer) -> str:
        mode = pysequoia.SignatureMode.DETACHED
        return bytes(pysequoia.sign(self._signer, offer.statement, mode=mode)).decode("ascii")


def read_signer(environment: Mapping[str, str]) -> Signer | None:
    """Read the secret key that the environment names; None where it names none."""
    if not (file := environment.get(KEY)):
        return None
    try:
        with open_regular(Path(file)) as opened:
            data = opened.read(MiB)
    except OSError as error:
        raise InputError(f"{KEY}: {file}: {error.strerror}", next_step=_EXPORT) from error
    return Signer(data, environment.get(PASSWORD) or None, where=f"{KEY}: {file}")
