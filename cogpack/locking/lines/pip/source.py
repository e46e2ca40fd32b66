"""What a pip line finds: the set of wheels before it, what its indexes offer, and what wheels say of themselves."""

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from cogpack.artifacts import Artifact, NotAFileError, bring
from cogpack.disk import DiskError
from cogpack.errors import InputError, MismatchError
from cogpack.layers.wheels.archive import ReadAt
from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import LockedWheel
from cogpack.locking.lines.pip.archives import MakeWheel
from cogpack.locking.sources.direct import DirectWheel
from cogpack.locking.wheels.elsewhere import ElsewhereWheels
from cogpack.locking.wheels.outlines import Outlines, address_reader, local_reader
from cogpack.redaction import has_secret
from cogpack.remote import NoRangesError
from cogpack.resolve.pip import (
    Metadata,
    Offer,
    Package,
    Pages,
    Taste,
    UnforeseenError,
    WheelCandidate,
    candidates,
    read_metadata,
)
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.session import Session

_METADATA_LIMIT = 4 * 1024 * 1024
_HASHES = frozenset({"sha256", "sha384", "sha512"})


class PipSource:
    """Is the `Source` of one line over `wheels`, by name; `make`: makes the wheel of what has source alone."""

    def __init__(
        self,
        session: Session,
        wheels: Mapping[str, LockedWheel],
        pages: Pages,
        indexes: Indexes,
        tags: Mapping[Tag, int],
        environment: Mapping[str, str],
        taste: Taste,
        outlines: Outlines,
        elsewhere: ElsewhereWheels,
        neighbours: Neighbours,
        make: MakeWheel,
    ) -> None:
        self._session = session
        self._wheels = wheels
        self._pages = pages
        self._indexes = indexes
        self._tags = tags
        self._python = environment["python_full_version"]
        self._taste = taste
        self._outlines = outlines
        self._elsewhere = elsewhere
        self._neighbours = neighbours
        self._found: dict[Package, LockedWheel] = {}
        self._make = make
        self._built: dict[Package, DirectWheel] = {}
        self._offered: dict[str, tuple[WheelCandidate, ...]] = {}
        self._metadata: dict[Package, Metadata] = {}
        self._fetched: dict[str, Artifact] = {}

    def installed(self, name: str) -> Package | None:
        wheel = self._wheels.get(name)
        return Package(name, Version(wheel.version)) if wheel else None

    def offered(self, name: str) -> Sequence[WheelCandidate]:
        if name not in self._offered:
            offers = self._pages.offers(name)
            self._offered[name] = candidates(name, offers, tags=self._tags, python=self._python, taste=self._taste)
        return self._offered[name]

    def metadata(self, package: Package) -> Metadata:
        if package not in self._metadata:
            self._metadata[package] = self._read(package)
        return self._metadata[package]

    def named(self, url: str) -> Package:
        """Give the wheel that a line names by its address."""
        filename = unquote(urlsplit(url).path).rpartition("/")[2]
        try:
            name, version, _, tags = parse_wheel_filename(filename)
        except (InvalidWheelFilename, ValueError):
            raise UnforeseenError(f"{filename} is no wheel's name") from None
        if not any(tag in self._tags for tag in tags):
            raise UnforeseenError(f"{filename} is for another Python or platform")
        sha256 = dict(part.partition("=")[::2] for part in urlsplit(url).fragment.split("&")).get("sha256")
        return Package(name, version, Offer(filename=filename, url=url.partition("#")[0], sha256=sha256))

    def locked(self, package: Package, *, by_address: bool, addresses: MutableMapping[str, str]) -> LockedWheel:
        """Give a chosen wheel as the lock has it, with its address where no index is the line's own that has it. What
        has no hash is read, to have one."""
        if (made := self._built.get(package)) is not None:
            return made.wheel
        offer = package.file
        assert offer is not None
        if (found := self._found.get(package)) is not None:
            addresses[found.sha256] = found.url or ""
            return found
        if by_address and has_secret(offer.url):
            raise UnforeseenError(f"the address of {offer.filename} has what looks like a secret in it")
        address = self._indexes.authorised(offer.url)
        sha256, size = (offer.sha256, offer.size) if offer.sha256 else self._hashed(address)
        addresses[sha256] = address
        return LockedWheel(
            name=package.name,
            version=str(package.version),
            filename=offer.filename,
            sha256=sha256,
            size=size,
            url=offer.url if by_address else None,
        )

    def _read(self, package: Package) -> Metadata:
        if package.file is None:
            return read_metadata(self._outlines.of(self._wheels[package.name])[1].metadata())
        offer = package.file
        if not offer.filename.endswith(".whl"):
            try:
                found = self._elsewhere.find(package.name, package.version, self._neighbours)
            except DiskError:
                raise
            except InputError as error:
                raise UnforeseenError(error.message) from None
            if found is not None:
                self._found[package] = found.wheel
                if found.note:
                    self._session.progress.note(found.note)
                return read_metadata(found.metadata)
            made = self._built[package] = self._make(package, self._indexes.authorised(offer.url))
            read, size = local_reader(made.path)
            return read_metadata(Outline(made.wheel.filename, read, size).metadata())
        if offer.metadata is not None and (data := self._beside(offer)) is not None:
            return read_metadata(data.decode(errors="replace"))
        address = self._indexes.authorised(offer.url)
        try:
            if offer.sha256 is not None or urlsplit(address).scheme == "file":
                read, size = address_reader(self._session, address, offer.size)
            else:  # it has to come whole, to have one
                read, size = self._whole(address)
        except NoRangesError:
            read, size = self._whole(address)
        return read_metadata(Outline(offer.filename, read, size).metadata())

    def _beside(self, offer: Offer) -> bytes | None:
        """Read the file with METADATA beside the wheel (PEP 658), as far as it is there; `MismatchError` where it
        is not the one that the index says."""
        url = f"{offer.url}.metadata"
        if urlsplit(url).scheme == "file":
            path = Path(unquote(urlsplit(url).path))
            return path.read_bytes() if path.is_file() else None
        answer = self._session.http.request(
            "GET", self._indexes.authorised(url), origin=url, limit=_METADATA_LIMIT, follow=True
        )
        if answer.status != 200:
            return None
        for kind, said in offer.metadata or ():
            if kind in _HASHES and (found := hashlib.new(kind, answer.body).hexdigest()) != said.lower():
                raise MismatchError(
                    f"{self._session.http.shown(url)}: its page says {kind}:{said:.128}, it is {kind}:{found}",
                    next_step="run it again; if that does not help, tell the operator of the package index",
                )
        return answer.body

    def _hashed(self, address: str) -> tuple[str, int]:
        parts = urlsplit(address)
        if parts.scheme == "file":
            return _digest_of(Path(unquote(parts.path)))
        artifact = self._brought(address)
        assert artifact.size is not None
        return artifact.digest.removeprefix("sha256:"), artifact.size

    def _whole(self, address: str) -> tuple[ReadAt, int]:
        return local_reader(self._session.store.verified(self._brought(address), tuple)[0])

    def _brought(self, address: str) -> Artifact:
        if address not in self._fetched:
            try:
                found = bring(self._session.store, self._session.http, address, redirects=True)
            except NotAFileError as error:
                raise UnforeseenError(str(error)) from None
            self._fetched[address] = found.artifact
        return self._fetched[address]


def _digest_of(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", next_step="check that the wheel is there") from error
    return digest, path.stat().st_size
