"""Where wheels are looked for: what the environment and the requirements files say. No address is built in."""

import netrc
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import msgspec

from cogpack.home import absolute, home
from cogpack.http import system_bundle
from cogpack.redaction import learn, learn_url
from cogpack.requirements import Requirements


class Indexes(msgspec.Struct, frozen=True, kw_only=True):
    """As uv takes them. With `default` None, uv's own default serves. `pre`: pre-releases count.

    `environment`: what uv sees of ours. `secrets`: all of ours, for `${NAME}` in addresses; never shown.
    """

    default: str | None = None
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, str] = {}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], requirements: Requirements) -> "Indexes":
        """uv's variables, then pip's; an index of a requirements file goes before both."""

        def words(*names: str) -> tuple[str, ...]:
            found = (word for name in names for word in environment.get(name, "").replace(",", " ").split())
            return tuple(_absolute(word) for word in found)

        options = requirements.options
        default = options.index_url or next(
            (
                value
                for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
                if (value := environment.get(name))
            ),
            None,
        )
        return cls(
            default=default,
            extra=(*options.extra_index_urls, *words("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")),
            find_links=(*options.find_links, *words("UV_FIND_LINKS", "PIP_FIND_LINKS")),
            no_index=options.no_index,
            pre=options.pre,
            environment=tuple(sorted((name, value) for name, value in environment.items() if _passed(name))),
            secrets=environment,
        )

    def variables(self) -> dict[str, str]:
        """For uv's environment, not its arguments: an address may hold a password, and anyone can list processes."""
        found = dict(self.environment)
        if system_bundle() and not {"SSL_CERT_FILE", "SSL_CERT_DIR"} & found.keys():
            found["UV_SYSTEM_CERTS"] = "1"  # else it knows public authorities only
        if self.default:
            found["UV_DEFAULT_INDEX"] = self._expanded(self.default)
        if self.extra:
            found["UV_INDEX"] = " ".join(map(self._expanded, self.extra))
        if self.find_links:
            found["UV_FIND_LINKS"] = ",".join(map(self._expanded, self.find_links))
        return found

    def arguments(self) -> list[str]:
        return ["--no-index"] * self.no_index + ["--prerelease=allow"] * self.pre

    def authorised(self, url: str) -> str:
        """`url` with the user and password that its host has here: uv's answers are without."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return url
        user = next(filter(None, (self._user(address, parts) for address in self._addresses())), "")
        return urlunsplit(parts._replace(netloc=f"{user or self._netrc(parts)}{parts.netloc}"))

    def _addresses(self) -> Iterator[str]:
        for address in (self.default or "", *self.extra, *self.find_links):
            yield self._expanded(address)

    def _user(self, address: str, file: SplitResult) -> str:
        """`user:password@` where `address` (`URL` or `NAME=URL`) is on the host of `file`, else nothing."""
        label, equals, rest = address.partition("=")
        named = bool(equals) and "/" not in label
        index = urlsplit(rest if named else address)
        host = index.netloc.rpartition("@")[2]
        if (index.scheme, host) != (file.scheme, file.netloc):
            return ""
        if "@" in index.netloc:
            return index.netloc.rpartition("@")[0] + "@"
        variable = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", label.upper())
        user = self.secrets.get(f"{variable}_USERNAME") if named else None
        password = self.secrets.get(f"{variable}_PASSWORD", "") if named else ""
        return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""

    def _netrc(self, file: SplitResult) -> str:
        path = Path(self.secrets.get("NETRC") or (home(self.secrets) or Path("/")) / ".netrc")
        try:
            found = netrc.netrc(path).authenticators(file.hostname or "")
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            return ""
        if found:
            learn(found[2] or "")
        return f"{quote(found[0], safe='')}:{quote(found[2] or '', safe='')}@" if found else ""

    def _expanded(self, address: str) -> str:
        """`${NAME}`, as requirements files may have it (pip docs, "Using environment variables")."""
        expanded = re.sub(r"\$\{([A-Z0-9_]+)\}", lambda found: self.secrets.get(found[1], found[0]), address)
        learn_url(expanded)
        return expanded


def _absolute(address: str) -> str:
    """uv runs in a directory of its own, where a relative path means something else."""
    return address if "://" in address or "=" in address else str(absolute(Path(address)))


def _passed(name: str) -> bool:
    """What uv may see of the environment: how to reach servers and who we are, nothing that changes the answer."""
    upper = name.upper()
    return (
        upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
        or upper in ("SSL_CLIENT_CERT", "NETRC", "HOME", "PATH", "UV_KEYRING_PROVIDER", "UV_INSECURE_HOST")
        or upper in ("UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES")
        or (upper.startswith("UV_INDEX_") and upper.endswith(("_USERNAME", "_PASSWORD")))
    )
