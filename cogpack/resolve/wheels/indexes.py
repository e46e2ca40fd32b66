"""Where wheels are looked for: what the environment and the requirements files say. No address is built in."""

import re
from collections.abc import Mapping

import msgspec

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
            return tuple(word for name in names for word in environment.get(name, "").replace(",", " ").split())

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
        if self.default:
            found["UV_DEFAULT_INDEX"] = self._expanded(self.default)
        if self.extra:
            found["UV_INDEX"] = " ".join(map(self._expanded, self.extra))
        if self.find_links:
            found["UV_FIND_LINKS"] = ",".join(map(self._expanded, self.find_links))
        return found

    def arguments(self) -> list[str]:
        return ["--no-index"] * self.no_index + ["--prerelease=allow"] * self.pre

    def _expanded(self, address: str) -> str:
        """`${NAME}`, as requirements files may have it (pip docs, "Using environment variables")."""
        return re.sub(r"\$\{([A-Z0-9_]+)\}", lambda found: self.secrets.get(found[1], found[0]), address)


def _passed(name: str) -> bool:
    """What uv may see of the environment: how to reach servers and who we are, nothing that changes the answer."""
    upper = name.upper()
    return (
        upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
        or upper in ("SSL_CLIENT_CERT", "NETRC", "HOME", "PATH", "UV_KEYRING_PROVIDER", "UV_INSECURE_HOST")
        or (upper.startswith("UV_INDEX_") and upper.endswith(("_USERNAME", "_PASSWORD")))
    )
