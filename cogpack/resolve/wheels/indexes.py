"""The environment and the requirements files say where wheels are looked for. No address is built in."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

import msgspec

from cogpack.errors import CogpackError, InputError
from cogpack.home import absolute
from cogpack.http import NO_MAP, UrlMap, host_of, netrc_login, system_bundle
from cogpack.notes import Code, Note
from cogpack.redaction import learn_url
from cogpack.requirements.model import LocalPath, Requirements, anonymous
from cogpack.resolve.wheels.logins import password_of, uv_login, with_passwords
from cogpack.resolve.wheels.relay import Relay
from cogpack.resolve.wheels.torch import TorchIndex
from cogpack.resolve.wheels.variables import check_address, expanded, hidden

_OF_UV = "https://pypi.org/simple"
"""uv's own default, which has to be named where it is mapped."""
MAIN = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Variables that name the index: the first that is set. Below: those that name others, and places of wheels."""
BESIDE = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
PLACES = ("UV_FIND_LINKS", "PIP_FIND_LINKS")
_DIRECT = re.compile(r"^(\S+ @ )(\S+)")


class Indexes(msgspec.Struct, frozen=True, kw_only=True):
    """Holds where to look, as uv takes it. With `default` None, uv's own default serves. `pre`: pre-releases count.

    `torch`: PyTorch's index, from which torch and its like come. `directories`: of wheels; `direct`: addresses of
    single wheels; `environment`: what uv sees of ours; `secrets`: all of ours, for `${NAME}` in addresses; never shown.
    `notes`: of places that are not there. `url_map`: where addresses are really asked for; what a mapped one has of
    logins stays here. `relay`: where uv reads pages of mapped ones; without it, it asks for those itself, and for what
    they name where they say.
    """

    default: str | None = None
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    torch: TorchIndex | None = None
    environment: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, str] = {}
    notes: tuple[Note, ...] = ()
    url_map: UrlMap = NO_MAP
    relay: Relay | None = None

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str],
        requirements: Requirements,
        root: Path = Path(),
        *,
        torch: TorchIndex | None = None,
        url_map: UrlMap = NO_MAP,
        relay: Relay | None = None,
    ) -> "Indexes":
        """Read uv's variables, then pip's; an index of a requirements file goes before both. `root`: of the project.

        `InputError` for an address of a requirements file that its variables make none, and for one of these variables.
        """
        for address in requirements.addresses:
            check_address(address, environment)
        for name in (*MAIN, *BESIDE, *PLACES):
            for word in environment.get(name, "").replace(",", " ").split():
                try:
                    urlsplit(_named(expanded(word, environment))[1])
                except ValueError:
                    text = f"{name}: {anonymous(word)!r:.200} is no address"
                    raise InputError(text, next_step="correct the variable: https://HOST/PATH") from None

        def words(*names: str) -> tuple[str, ...]:
            found = (word for name in names for word in environment.get(name, "").replace(",", " ").split())
            return tuple(_absolute(word) for word in found)

        options = requirements.options
        default = options.index_url or next((value for name in MAIN if (value := environment.get(name))), None)
        links, directories, notes = _links(environment, requirements, root)
        return cls(
            default=default,
            extra=(*options.extra_index_urls, *words(*BESIDE)),
            find_links=links,
            directories=directories,
            direct=tuple(
                [line.url for line in requirements.required if line.url]
                + [line.source.url for line in requirements.sources if not isinstance(line.source, LocalPath)]
            ),
            no_index=options.no_index,
            pre=options.pre,
            torch=torch,
            environment=tuple(sorted((name, value) for name, value in environment.items() if _passed(name))),
            secrets=environment,
            notes=notes,
            url_map=url_map,
            relay=relay if url_map.rules else None,
        )

    def variables(self) -> dict[str, str]:
        """Give what goes into uv's environment, not its arguments: an address may hold a password, and anyone can list
        processes."""
        found = dict(self.environment)
        if system_bundle() and not {"SSL_CERT_FILE", "SSL_CERT_DIR"} & found.keys():
            found["UV_SYSTEM_CERTS"] = "1"  # else it knows public authorities only
        if self.default or self.url_map.find(_OF_UV):
            found["UV_DEFAULT_INDEX"] = self.read_at(self.default or _OF_UV)
        if self.extra:
            found["UV_INDEX"] = " ".join(map(self.read_at, self.extra))
        for label in [_named(address)[0] for address in (self.default or "", *self.extra) if self._is_mapped(address)]:
            for part in ("USERNAME", "PASSWORD") if label else ():
                found.pop(f"{_variable(label)}_{part}", None)
        # As addresses, in which a comma is no comma.
        if links := [*map(self.read_at, self.find_links), *(Path(path).as_uri() for path in self.directories)]:
            found["UV_FIND_LINKS"] = ",".join(links)
        if self.relay:
            others = {found.pop(name, "") for name in ("NO_PROXY", "no_proxy")}
            found["NO_PROXY"] = ",".join(filter(None, (*sorted(others), "127.0.0.1")))
        return found

    def arguments(self) -> list[str]:
        return ["--no-index"] * self.no_index + ["--prerelease=allow"] * self.pre

    def authorised(self, url: str) -> str:
        """Give `url` with what uv's answers and the lock are without: the values of its variables, and the user and
        password that it has in the requirements or its host has here."""
        url = self.expanded(url)
        for direct in map(self.expanded, self.direct):
            if "@" in urlsplit(direct).netloc and anonymous(direct.partition("#")[0]) == url.partition("#")[0]:
                return direct
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return url
        asked = self.url_map.find(url)
        parts = urlsplit(asked or url)
        user = next(filter(None, (self._user(address, parts) for address in self._addresses())), "")
        if asked and not user:
            return url  # who asks for it looks into the netrc file
        if not user and (login := netrc_login(self.secrets, host_of(url)) or uv_login(url, self.secrets)):
            user = _userinfo(*login)
        return urlunsplit(parts._replace(netloc=f"{user}{parts.netloc}"))

    def projects(self, name: str) -> tuple[str, ...]:
        """Give the addresses of a package's pages, by its canonical name, one an index, the main one first."""
        indexes = () if self.no_index else (self.default or _OF_UV, *self.extra)
        addresses = (_named(self.expanded(index))[1] for index in indexes)
        return tuple(f"{address.rstrip('/')}/{quote(name)}/" for address in addresses)

    def pages(self) -> tuple[str, ...]:
        """Give the addresses of pages of links to files."""
        return tuple(map(self.expanded, self.find_links))

    def with_directories(self, more: Sequence[str]) -> "Indexes":
        """Look into these directories of wheels, too."""
        return msgspec.structs.replace(self, directories=(*self.directories, *more))

    def asked(self, address: str) -> str:
        """Give `address` (`URL` or `NAME=URL`) as uv is to ask for it."""
        label, url = _named(self.expanded(address))
        mapped = self.url_map.of(url)
        return f"{label}={mapped}" if label else mapped

    def read_at(self, address: str) -> str:
        """Give `address` (`URL` or `NAME=URL`), of an index or a page of links, as uv is to read it."""
        if not (self.relay and self._is_mapped(address)):
            return self.asked(address)
        label, url = _named(self.expanded(address))
        read = self.relay.address(anonymous(url), self.authorised)
        return f"{label}={read}" if label else read

    def asked_line(self, requirement: str) -> str:
        """Give a line of requirements, `NAME @ URL` among them, as uv is to read it."""
        return _DIRECT.sub(lambda found: f"{found[1]}{self.url_map.of(found[2])}", requirement)

    def _is_mapped(self, address: str) -> bool:
        return self.url_map.find(_named(self.expanded(address))[1]) is not None

    def _addresses(self) -> Iterator[str]:
        """Give indexes as they are asked for; a mapped one without its name, to which other variables belong."""
        torch = (self.torch.address,) if self.torch else ()
        for address in (self.default or "", *self.extra, *torch, *self.find_links):
            mapped = self._is_mapped(address)
            yield _named(self.asked(address))[1] if mapped else self.expanded(address)

    def _user(self, address: str, file: SplitResult) -> str:
        """Give `user:password@` where `address` (`URL` or `NAME=URL`) is on the host of `file`, else nothing."""
        label, url = _named(address)
        index = urlsplit(url)
        host = index.netloc.rpartition("@")[2]
        if (index.scheme, host) != (file.scheme, file.netloc):
            return ""
        if "@" in index.netloc:
            return index.netloc.rpartition("@")[0] + "@"
        user = self.secrets.get(f"{_variable(label)}_USERNAME") if label else None
        if not user:
            return ""
        password = self.secrets.get(f"{_variable(label)}_PASSWORD") or password_of(url, user, self.secrets)
        return _userinfo(user, password or "")

    def expanded(self, text: str) -> str:
        found = with_passwords(expanded(text, self.secrets), self.secrets)
        learn_url(found)
        return found

    def hidden(self, text: str) -> str:
        """Take the values of variables that addresses have out of `text`."""
        return hidden(text, (self.default or "", *self.extra, *self.find_links, *self.direct), self.secrets)

    def told(self, text: str) -> str:
        """Give what uv says as it may be shown: with the addresses that we have, beside those that it was given."""
        torch = (self.torch.address,) if self.torch else ()
        for address in (self.default or _OF_UV, *self.extra, *torch, *self.find_links, *self.direct):
            ours, asked = anonymous(_named(address)[1]), _named(self.asked(address))[1]
            if self._is_mapped(address):
                read = _named(self.read_at(address))[1] if address not in self.direct else asked
                text = re.sub(
                    rf"(?:{re.escape(asked)}|{re.escape(read)})(?![\w.-])([^\s`'\"),;\]]*)",
                    lambda found, ours=ours, asked=asked: f"{ours}{found[1]} (through {asked}{found[1]})",  # type: ignore[misc]
                    text,
                )
        return self.hidden(text)  # last: addresses that are asked have values

    @contextmanager
    def hiding(self) -> Iterator[None]:
        """Let errors within come out `hidden`."""
        try:
            yield
        except CogpackError as error:
            error.message = self.hidden(error.message)
            error.args = (error.message,)
            raise


def _named(address: str) -> tuple[str, str]:
    """Split `NAME=URL`, as uv has it; the name is "" where there is none."""
    label, equals, url = address.partition("=")
    return (label, url) if equals and "/" not in label else ("", address)


def _variable(label: str) -> str:
    return "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", label.upper())


def _userinfo(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}@"


def _links(
    environment: Mapping[str, str], requirements: Requirements, root: Path
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Note, ...]]:
    """Give addresses, directories, and notes of directories that are not there: pip warns of them and goes on."""
    lines = {address.text: f"{address.path}:{address.line}: " for address in requirements.addresses}
    option = "--find-links"
    named = [
        *((f"{link.path}:{link.line}: {option}", link.directory, root) for link in requirements.local_links),
        *((f"{lines.get(link, '')}{option}", link, root) for link in requirements.options.find_links),
        *(("UV_FIND_LINKS", word.strip(), Path()) for word in environment.get("UV_FIND_LINKS", "").split(",")),
        *(("PIP_FIND_LINKS", word, Path()) for word in environment.get("PIP_FIND_LINKS", "").split()),
    ]
    links: list[str] = []
    directories: list[str] = []
    notes: list[Note] = []
    for where, link, base in named:
        place = expanded(link, environment)
        if "://" in place and not place.startswith("file://"):
            links.append(link)
        elif place:
            directory = base / (unquote(urlsplit(place).path) if place.startswith("file://") else place)
            if os.path.isdir(directory):  # noqa: PTH112 - as in `project/inputs`
                directories.append(str(absolute(directory)))
            else:
                shown = link.removeprefix(f"{root}/")
                notes.append(Note(Code.LINKS_MISSING, f"{where}: {shown} is no directory that is there: passed over"))
    return tuple(links), tuple(directories), tuple(notes)


def _absolute(address: str) -> str:
    """Make a path absolute: uv runs in a directory of its own, where a relative one means something else."""
    return address if "://" in address or "=" in address else str(absolute(Path(address)))


def _passed(name: str) -> bool:
    """Tell whether uv may see this variable: how to reach servers and who we are, nothing that changes the answer."""
    upper = name.upper()
    return (
        upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
        or upper in ("SSL_CLIENT_CERT", "NETRC", "HOME", "PATH", "UV_KEYRING_PROVIDER", "UV_INSECURE_HOST")
        or upper in ("UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_CREDENTIALS_DIR", "XDG_DATA_HOME")
        or (upper.startswith("UV_INDEX_") and upper.endswith(("_USERNAME", "_PASSWORD")))
    )
