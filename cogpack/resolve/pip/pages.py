"""What indexes and `--find-links` offer of a package: simple pages, as JSON and HTML (PyPA simple repository API), and
directories."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec

from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http, Response
from cogpack.lockfile.table import LockedSize
from cogpack.oci import decode
from cogpack.redaction import learn_url
from cogpack.resolve.pip.offers import Hashes, Offer
from cogpack.resolve.wheels.indexes import Indexes

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01, */*; q=0.001"
)
_LIMIT = 128 * 1024 * 1024
"""Bytes of a page: an index of nightly builds has tens of megabytes."""
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class Pages:
    """Asks the indexes of a command for one package at a time, each page once; `newest`: the latest time of an upload,
    which only directories need not tell."""

    def __init__(self, http: Http, indexes: Indexes, newest: str | None = None) -> None:
        self._http = http
        self._indexes = indexes
        self._newest = newest
        self._pages: dict[str, tuple[Offer, ...]] = {}
        self._directories: tuple[Offer, ...] | None = None

    def offers(self, name: str) -> Iterator[Offer]:
        """Give all that may be files of the package, in pip's order, and of pages of links what belongs to others, too.

        `UnavailableError` and `DeniedError` of what can't be asked; what an index does not know, it has no page of.
        """
        yield from self._local()
        for address in self._indexes.pages():
            yield from self.page(address)
        for address in self._indexes.projects(name):
            yield from self.page(address)

    def first_offers(self, name: str) -> Iterator[Offer]:
        """Give the same in uv's way: of the indexes, only the first that knows the package counts, and the main one is
        the last."""
        yield from self._local()
        for address in self._indexes.pages():
            yield from self.page(address)
        main, *others = self._indexes.projects(name) or ("",)
        for address in filter(None, (*others, main)):
            if found := self.page(address):
                yield from found
                return

    def find(self, name: str, filename: str, sha256: str) -> str | None:
        """Give the address of the file of this name and hash; it may hold a login. `MismatchError` where there are only
        others of the name."""
        named = [offer for offer in self.offers(name) if offer.filename == filename]
        for offer in sorted(named, key=lambda offer: offer.sha256 is None):
            if offer.sha256 in (sha256, None):
                return self._indexes.authorised(offer.url)
        if named:
            raise MismatchError(
                f"the lock pins {filename} to sha256:{sha256}, the index has sha256:{named[0].sha256}",
                next_step="restore the lock from git; if the file was replaced, ask its publisher",
            )
        return None

    def _local(self) -> tuple[Offer, ...]:
        if self._directories is None:
            paths = (path for each in self._indexes.directories for path in sorted(Path(each).iterdir(), reverse=True))
            self._directories = tuple(
                Offer(filename=path.name, url=path.absolute().as_uri(), size=path.stat().st_size)
                for path in paths
                if path.is_file()
            )
        return self._directories

    def page(self, address: str) -> tuple[Offer, ...]:
        """Give what one page has, of a project or of links; nothing of one that is not there."""
        if address not in self._pages:
            found = self._read(address)
            if self._newest is not None:
                found = tuple(offer for offer in found if offer.uploaded and _is_older(offer.uploaded, self._newest))
            self._pages[address] = found
        return self._pages[address]

    def _read(self, address: str) -> tuple[Offer, ...]:
        parts = urlsplit(address)
        if parts.scheme == "file":
            return _read_directory(Path(unquote(parts.path)))
        if parts.path.endswith((".whl", ".tar.gz", ".zip")):
            return (_offer(address, ""),)
        answer = self._http.request(
            "GET",
            self._indexes.authorised(address),
            origin=address,
            headers={"Accept": _ACCEPT},
            limit=_LIMIT,
            follow=True,
        )
        return read_page(answer, self._http.shown(address)) if self._has_page(answer, address) else ()

    def _has_page(self, answer: Response, address: str) -> bool:
        where = f"{self._http.shown(address)}: {answer.status}"
        if answer.status in (401, 407):
            raise DeniedError(
                f"a package index wants credentials: {where}",
                next_step="put them into the index address, UV_INDEX_NAME_USERNAME and _PASSWORD, or ~/.netrc",
            )
        if answer.status >= 500 or answer.status == 429:
            raise UnavailableError(f"a package index can't be asked: {where}", next_step="run it again later")
        return answer.status == 200  # 403 is what an object store says of what isn't there; pip goes on after all


def read_page(answer: Response, where: str) -> tuple[Offer, ...]:
    """Read a page of either form; `where`: its address, as messages have it."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    base = answer.url
    learn_url(base)
    found = _json(answer.body, base, where) if kind.endswith("+json") else _html(answer.body, base)
    return tuple(offer for offer in found if urlsplit(offer.url).scheme in ("http", "https"))  # no file of this machine


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    """Is a file as the JSON form has it (PEP 691, 700, 714)."""

    filename: str
    url: str
    hashes: dict[str, str] = {}
    size: LockedSize | None = None
    requires_python: str | None = None
    yanked: bool | str = False
    upload_time: str | None = None
    core_metadata: bool | dict[str, str] | None = None
    dist_info_metadata: bool | dict[str, str] | None = None


class Page(msgspec.Struct, frozen=True):
    files: list[_File]


def _json(data: bytes, base: str, where: str) -> Iterator[Offer]:
    try:
        page = decode(data, Page, where=where)
    except InputError as error:
        raise UnavailableError(error.message, next_step="tell the operator of the package index") from error
    for file in page.files:
        if (url := _joined(base, file.url)) is None:
            continue
        metadata = file.core_metadata if file.core_metadata is not None else file.dist_info_metadata
        yield Offer(
            filename=file.filename,
            url=url,
            sha256=_sha256(file.hashes.get("sha256", "")),
            size=file.size,
            requires_python=file.requires_python or "",
            yanked=bool(file.yanked),
            uploaded=file.upload_time or "",
            metadata=tuple(metadata.items()) if isinstance(metadata, dict) else () if metadata else None,
        )


def _html(data: bytes, base: str) -> Iterator[Offer]:
    from cogpack.resolve.wheels.links import links  # few projects need it

    for relative_to, attributes in links(data.decode(errors="replace"), base):
        if attributes["href"] and (url := _joined(relative_to, attributes["href"])) is not None:
            yield _offer(
                url,
                attributes.get("data-requires-python", ""),
                yanked="data-yanked" in attributes,  # pip wants a value, if an empty one
                metadata=_metadata(attributes),
            )


def _joined(base: str, link: str) -> str | None:
    """Give the address that `link` leads to; None where it is none."""
    try:
        url = urljoin(base, link)
        urlsplit(url)
    except ValueError:
        return None
    return url


def _metadata(attributes: Mapping[str, str]) -> Hashes | None:
    """Read `sha256=HEX` (PEP 714); "true" says that the file is there, and no hash."""
    for name in ("data-core-metadata", "data-dist-info-metadata"):
        if name in attributes:
            kind, equals, value = attributes[name].partition("=")
            return ((kind, value),) if equals else ()
    return None


def _offer(url: str, requires_python: str, *, yanked: bool = False, metadata: Hashes | None = None) -> Offer:
    address, fragment = urldefrag(url)
    kind, _, value = fragment.partition("=")
    return Offer(
        filename=unquote(urlsplit(address).path).rpartition("/")[2],
        url=address,
        sha256=_sha256(value.partition("&")[0]) if kind == "sha256" else None,
        requires_python=requires_python,
        yanked=yanked,
        metadata=metadata,
    )


def _sha256(text: str) -> str | None:
    """Give what is one, in lower case: files are found here by these, so nothing else may be taken for one."""
    return text.lower() if _SHA256.fullmatch(text) else None


def _read_directory(place: Path) -> tuple[Offer, ...]:
    """Read a page of an index that is a directory: its index.html, which pip wants there, too."""
    page = place / "index.html" if place.is_dir() else place
    try:
        data = page.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise UnavailableError(f"{page}: {error.strerror}", next_step="check the index") from error
    return tuple(_html(data, page.as_uri()))


def _is_older(uploaded: str, newest: str) -> bool:
    try:
        return datetime.fromisoformat(uploaded) < datetime.fromisoformat(newest)
    except (ValueError, TypeError):  # no time, or one without its zone
        return False
