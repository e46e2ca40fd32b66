"""A mirror says where Debian's archives are fetched from.

Every byte is checked against Debian's signature, so any mirror will do; the nearest one is the one this machine's
own apt uses.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from cogpack.config.steps import has_host
from cogpack.errors import InputError
from cogpack.patterns import pattern

ENVIRONMENT = "COGPACK_DEBIAN_MIRROR"
MAIN: Final = "debian"
SECURITY: Final = "debian-security"
"""What locks call the two archives."""
_OFFICIAL = {
    MAIN: "http://ftp.debian.org/debian",
    SECURITY: "http://security.debian.org/debian-security",
}
_OTHERS = ("http://deb.debian.org/debian", "https://deb.debian.org/debian")
_URL = pattern(r"https?://[^\s,@]+")


class DebianMirror(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the base URLs of the two archives; `pool/` and `dists/` are below them."""

    main: str
    security: str

    @classmethod
    def choose(
        cls, setting: str | None, environment: Mapping[str, str], sources: Path = Path("/etc/apt")
    ) -> "DebianMirror":
        """Take the mirror that was set ("main" or "main,security"), else that of this host's apt, else Debian's own."""
        for where, value in (("the Debian mirror", setting), (ENVIRONMENT, environment.get(ENVIRONMENT))):
            if value:
                return _parse(value, where)
        found: dict[str, str] = {}
        for archive, url in _host_sources(sources):
            found.setdefault(archive, url)
        return cls(main=found.get(MAIN, _OFFICIAL[MAIN]), security=found.get(SECURITY, _OFFICIAL[SECURITY]))

    def replacements(self, asked: Callable[[str], str]) -> dict[str, str]:
        """Give the mirror of each address that sources of Debian images name, where it is another. `asked`: where an
        address is really asked for."""
        found = {_OFFICIAL[MAIN]: self.main, _OFFICIAL[SECURITY]: self.security, **dict.fromkeys(_OTHERS, self.main)}
        found |= {f"{url}-security": self.security for url in _OTHERS}
        return {url: asked(mirror) for url, mirror in sorted(found.items(), reverse=True) if url != asked(mirror)}

    def url(self, archive: str, path: str) -> str:
        """Give the address of a file of an archive: of any but Debian's, locks have the URI."""
        base = {MAIN: self.main, SECURITY: self.security}.get(archive, archive)
        return f"{base}/{path}"


def _parse(value: str, where: str) -> DebianMirror:
    main, _, security = (part.strip().rstrip("/") for part in value.partition(","))
    for url in (main, security or main):
        if not _URL.fullmatch(url) or not has_host(url):
            raise InputError(
                f"{where}: expected a URL, or two with a comma between, found {value!r:.200}",
                next_step=f"write it like {_OFFICIAL[MAIN]},{_OFFICIAL[SECURITY]}",
            )
    return DebianMirror(main=main, security=security or _OFFICIAL[SECURITY])


class _ThisMachine:
    """Reads its files."""

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except OSError:
            return None

    def children(self, path: str) -> list[str]:
        try:
            return [entry.name for entry in Path(path).iterdir()]
        except OSError:
            return []


def _host_sources(directory: Path) -> Iterator[tuple[str, str]]:
    """Give archive and URL of each entry for Debian's own archive, in apt's order."""
    from cogpack.resolve.debs.archives.apt_sources import entries  # of who names no mirror

    for entry in entries(_ThisMachine(), str(directory)):
        plain = entry.uri.rstrip("/")
        if "main" in entry.components and _URL.fullmatch(plain) and has_host(plain):
            if plain.endswith("/debian-security") and entry.suite.endswith("-security"):
                yield SECURITY, plain
            elif plain.endswith("/debian") and not entry.suite.endswith("-security"):
                yield MAIN, plain
