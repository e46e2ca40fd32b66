"""A reference names an image, and is parsed once: `HOST[:PORT]/NAME[:TAG][@DIGEST]`.

The grammar is the distribution-spec's ("Pulling manifests": `<name>`, `<reference>`); the host is found by Docker's
rule (the first component holds a dot or a colon, or is `localhost`).
"""

from typing import Self

import msgspec

from cogpack.digest import Digest, parse_digest
from cogpack.errors import InputError
from cogpack.patterns import pattern

_REPOSITORY = pattern(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = pattern(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PORT = r"6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
HOST = pattern(rf"(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?:{_PORT}))?")
DEFAULT_TAG = "latest"
_DOCKER_HUB = "docker.io"
HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


def names_registry(text: str) -> bool:
    """Whether a reference says where its registry is; else Docker Hub is meant."""
    first, slash, _ = text.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost" or first.startswith("["))


class Reference(msgspec.Struct, frozen=True):
    """A repository, `registry/repository`, and the tag or digest (or both) that was asked for."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, where: str = "reference") -> Self:
        """Parse `text`; raises `InputError` naming `where` when it does not fit the grammar."""

        def bad(
            expected: str, advice: str = "write it as HOST/NAME:TAG, for example ghcr.io/me/model:v1"
        ) -> InputError:
            return InputError(f"{where}: expected {expected}, found {text!r:.300}", next_step=advice)

        if "://" in text:
            raise bad("a name without a scheme")

        rest, at, digest_text = text.partition("@")
        digest = parse_digest(digest_text, where=f"{where} {text!r:.300}") if at else None
        first, _, remainder = rest.partition("/")
        registry, name = (first.lower(), remainder) if names_registry(rest) else (_DOCKER_HUB, rest)
        name, colon, tag = name.partition(":")
        if registry in HUB_NAMES:
            registry = _DOCKER_HUB
        if registry == _DOCKER_HUB and "/" not in name:
            name = f"library/{name}"
        if not HOST.fullmatch(registry):
            raise bad("a registry host")
        if not _REPOSITORY.fullmatch(name) or len(name) > 255:
            small = _REPOSITORY.fullmatch(name.lower()) and len(name) <= 255  # as an owner's at GitHub need not be
            raise bad("a lowercase repository name", *([f"write {registry}/{name.lower()}"] if small else []))
        if colon and not TAG.fullmatch(tag):
            raise bad("a tag of letters, digits, '.', '_' and '-' (128 at most)")
        return cls(registry, name, tag or None, digest)

    @property
    def name(self) -> str:
        """`registry/repository`, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def wanted(self) -> str:
        """The digest or tag by which it is asked for: `latest`, where there is neither."""
        return self.digest or self.tag or DEFAULT_TAG

    def with_digest(self, digest: Digest) -> "Reference":
        return Reference(self.registry, self.repository, None, digest)

    def with_tag(self, tag: str) -> "Reference":
        return Reference(self.registry, self.repository, tag, None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"
