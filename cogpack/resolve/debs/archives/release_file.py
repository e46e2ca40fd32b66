"""A suite's signed Release file is verified here: it is the root of trust for everything below it.

Chain: a key of the archive signs `InRelease`; that lists the sha256 of each `Packages.xz`; that of each .deb.
"""

import hashlib
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import pysequoia

from cogpack.errors import MismatchError, UnavailableError
from cogpack.resolve.debs.archives.keyring import Keyring

FRESH = "check this machine's clock, or use another Debian mirror: set COGPACK_DEBIAN_MIRROR"
OTHER = "use another Debian mirror: set COGPACK_DEBIAN_MIRROR"


_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[0-9]{1,15}")
_KINDS = (".xz", ".gz", "")


class IndexFile(msgspec.Struct, frozen=True):
    """Says what a Release lists of a file: bytes and sha256 (hex)."""

    size: int
    sha256: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a verified Release says."""

    date: datetime
    sha256: str  # of the InRelease file, or of the Release that a file beside it signs, hex
    signer: str  # fingerprint of the primary key, hex
    by_hash: bool
    automatic: bool  # or its packages are taken only where they are asked for (`NotAutomatic`)
    apart: bool  # packages of the architecture "all" have an index of their own, and are in no other
    files: dict[str, IndexFile]  # path below the directory of the suite

    def packed(self, place: str) -> str | None:
        """Tell how the index in a directory is packed, by the end of its name; None where there is none."""
        if f"{place}Packages" not in self.files:
            return None
        return next((kind for kind in _KINDS if f"{place}Packages{kind}" in self.files), None)


def verify_release(
    data: bytes, *, url: str, suite: str | None, keys: Keyring, now: datetime, signature: bytes | None = None
) -> Release:
    """Check signature, name and age of an InRelease file fetched from `url`, or of a Release file with its `signature`.

    `suite`: what it must be called, if anything. Only the text under the signature is read: bytes before or after it
    mean nothing.
    """
    text, signer = _signed_text(data, signature, url, keys)
    fields, files = _parse(text, url)
    found, name = fields.get("Codename", fields.get("Suite")), fields.get("Suite", "")
    if suite is not None:
        suite = suite.removesuffix("/updates")  # as apt does: Debian's buster/updates calls itself buster
        if suite not in (found, name):
            raise MismatchError(f"{url}: expected Codename {suite}, found {found!r:.80}", next_step=OTHER)
        if name.startswith(f"{suite}-"):  # Ubuntu's pockets all have the Codename of their suite
            raise MismatchError(f"{url}: expected Suite {suite}, found {name!r:.80}", next_step=OTHER)
    date = _date(fields.get("Date"), url, "Date")
    until = fields.get("Valid-Until")
    if until is not None and _date(until, url, "Valid-Until") < now:
        raise UnavailableError(f"{url}: expired on {until}, so the mirror is out of date", next_step=FRESH)
    return Release(
        date=date,
        sha256=hashlib.sha256(data).hexdigest(),
        signer=signer,
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        automatic=fields.get("NotAutomatic") != "yes",
        # As apt has it (wiki.debian.org/DebianRepository/Format); Debian's own says no by the second field.
        apart="all" in fields.get("Architectures", "").split()
        and fields.get("No-Support-for-Architecture-all") != "Packages",
        files=files,
    )


def _signed_text(data: bytes, signature: bytes | None, url: str, keys: Keyring) -> tuple[str, str]:
    certificates = keys.certificates
    try:
        if signature is None:
            verified = pysequoia.verify(bytes=data, store=lambda _ids: [*certificates])
            text = (verified.bytes or b"").decode()
        else:
            made = pysequoia.Sig.from_bytes(signature)
            verified = pysequoia.verify(bytes=data, store=lambda _ids: [*certificates], signature=made)
            text = data.decode()
    except (RuntimeError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise MismatchError(f"{url}: not signed by {keys.whose} ({reason})", next_step=OTHER) from None
    signers = sorted({sig.certificate for sig in verified.valid_sigs} & {*keys.fingerprints})
    if not signers:
        raise MismatchError(f"{url}: not signed by {keys.whose}", next_step=OTHER)
    return text, signers[0]


def _parse(text: str, url: str) -> tuple[dict[str, str], dict[str, IndexFile]]:
    fields: dict[str, str] = {}
    files: dict[str, IndexFile] = {}
    section = ""
    for line in text.lstrip("\r\n").splitlines():
        if not line:  # apt reads the first stanza alone
            break
        if not line.startswith(" "):
            section, _, value = line.partition(":")
            if section in fields:
                raise MismatchError(f"{url}: the field {section!r:.80} is there twice", next_step=OTHER)
            fields[section] = value.strip()
        elif section == "SHA256":
            parts = line.split()
            if len(parts) != 3 or not (_SHA256.fullmatch(parts[0]) and _SIZE.fullmatch(parts[1])):
                raise MismatchError(f"{url}: {line!r:.120} is no SHA256 entry", next_step=OTHER)
            files[parts[2]] = IndexFile(int(parts[1]), parts[0])
    return fields, files


def _date(text: str | None, url: str, field: str) -> datetime:
    try:
        found = parsedate_to_datetime(text or "")
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise MismatchError(f"{url}: {field} is {text!r:.80}, which is no date", next_step=OTHER) from None
