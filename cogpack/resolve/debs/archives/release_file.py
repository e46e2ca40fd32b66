"""A suite's signed Release file is verified here: it is the root of trust for everything below it.

Chain: a bundled archive key signs `InRelease`; that lists the sha256 of each `Packages.xz`; that of each .deb.
"""

import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib import resources

import msgspec
import pysequoia

from cogpack.errors import MismatchError, UnavailableError

_FRESH = "check this machine's clock, or use another Debian mirror: set COGPACK_DEBIAN_MIRROR"
_OTHER = "use another Debian mirror: set COGPACK_DEBIAN_MIRROR"


class IndexFile(msgspec.Struct, frozen=True):
    """Says what a Release lists of a file: bytes and sha256 (hex)."""

    size: int
    sha256: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a verified Release says."""

    codename: str
    date: datetime
    sha256: str  # of the InRelease file, hex
    signer: str  # fingerprint of the primary key, hex
    by_hash: bool
    files: dict[str, IndexFile]  # path below dists/<suite>/


def verify_release(data: bytes, *, url: str, codename: str, now: datetime) -> Release:
    """Check signature, name and age of an InRelease file fetched from `url`.

    Only the text under the signature is read: bytes before or after it mean nothing.
    """
    text, signer = _signed_text(data, url)
    fields, files = _parse(text, url)
    found = fields.get("Codename")
    if found != codename:
        raise MismatchError(f"{url}: expected Codename {codename}, found {found!r:.80}", next_step=_OTHER)
    date = _date(fields.get("Date"), url, "Date")
    until = fields.get("Valid-Until")
    if until is not None and _date(until, url, "Valid-Until") < now:
        raise UnavailableError(f"{url}: expired on {until}, so the mirror is out of date", next_step=_FRESH)
    return Release(
        codename=codename,
        date=date,
        sha256=hashlib.sha256(data).hexdigest(),
        signer=signer,
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        files=files,
    )


@lru_cache(maxsize=1)
def _keys() -> tuple[pysequoia.Cert, ...]:
    """Read Debian's automatic signing keys for the suites we use, taken from its package debian-archive-keyring."""
    directory = resources.files("cogpack.resolve.debs") / "keys"
    files = sorted((file for file in directory.iterdir() if file.name.endswith(".gpg")), key=lambda file: file.name)
    return tuple(pysequoia.Cert.from_bytes(file.read_bytes()) for file in files)


def _signed_text(data: bytes, url: str) -> tuple[str, str]:
    keys = _keys()
    try:
        verified = pysequoia.verify(bytes=data, store=lambda _ids: list(keys))
        text = (verified.bytes or b"").decode()
    except (RuntimeError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise MismatchError(f"{url}: not signed by Debian's archive key ({reason})", next_step=_OTHER) from None
    pinned = {key.fingerprint for key in keys}
    signers = sorted({sig.certificate for sig in verified.valid_sigs} & pinned)
    if not signers:
        raise MismatchError(f"{url}: not signed by Debian's archive key", next_step=_OTHER)
    return text, signers[0]


def _parse(text: str, url: str) -> tuple[dict[str, str], dict[str, IndexFile]]:
    fields: dict[str, str] = {}
    files: dict[str, IndexFile] = {}
    section = ""
    for line in text.splitlines():
        if not line.startswith(" "):
            section, _, value = line.partition(":")
            if section in fields:
                raise MismatchError(f"{url}: the field {section!r:.80} is there twice", next_step=_OTHER)
            fields[section] = value.strip()
        elif section == "SHA256":
            parts = line.split()
            if len(parts) != 3 or not parts[1].isdigit() or len(parts[0]) != 64:
                raise MismatchError(f"{url}: {line!r:.120} is no SHA256 entry", next_step=_OTHER)
            files[parts[2]] = IndexFile(int(parts[1]), parts[0])
    return fields, files


def _date(text: str | None, url: str, field: str) -> datetime:
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise MismatchError(f"{url}: {field} is {text!r:.80}, which is no date", next_step=_OTHER) from None
