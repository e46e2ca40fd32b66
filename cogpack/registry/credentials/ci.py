"""Variables of the environment that name a login for one host, ours and those of CI services.

A CI's token is for its own registry alone: the host must be equal, and so must that of the token server.
"""

import re
from collections.abc import Mapping
from typing import Self

import msgspec

from cogpack.patterns import pattern
from cogpack.registry.credentials.findings import Finding
from cogpack.registry.credentials.login import Login, Secret

_HOST = pattern(r"[a-z0-9.-]+(?::[0-9]+)?")
_SPELLING = {".": "_", "-": "__", ":": "___"}
"""Different runs, so that no two hosts share a variable: neither "." nor "-" stands beside "." or ":" in a name."""


class HostVariables(msgspec.Struct, frozen=True):
    """`COGPACK_REGISTRY_<HOST>_USER` and `_PASSWORD`, as in `COGPACK_REGISTRY_MY__REGISTRY_EXAMPLE_COM___5000_USER`."""

    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        return "environment"

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        if not _HOST.fullmatch(host.lower()):
            return Finding("can't be spelled for this host")
        stem = "COGPACK_REGISTRY_" + re.sub(r"[.:-]", lambda found: _SPELLING[found[0]], host).upper()
        user, password = self.environment.get(f"{stem}_USER"), self.environment.get(f"{stem}_PASSWORD")
        if user and password:
            return Finding(f"{stem}_PASSWORD", Login(user, Secret(password), source=f"{stem}_PASSWORD"))
        missing = "_PASSWORD" if user else "_USER"
        if user or password:
            return Finding(f"{stem}{missing} is not set", broken=True)
        return Finding(f"{stem}_USER and _PASSWORD are not set")


class CiVariables(msgspec.Struct, frozen=True):
    """Valid inside a job only: elsewhere variables of these names may be anybody's.

    `host`: the registry they are for, "" if none; `realms`: hosts of token servers.
    """

    environment: Mapping[str, str]
    service: str
    switch: str
    host: str
    realms: frozenset[str]
    user: str
    password: str

    @classmethod
    def all_of(cls, environment: Mapping[str, str]) -> list[Self]:
        registry = environment.get("CI_REGISTRY", "").lower()
        issuers = frozenset({registry.partition(":")[0], environment.get("CI_SERVER_HOST", "").lower()} - {""})
        return [
            cls(environment, "GitLab CI", "GITLAB_CI", registry, issuers, "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"),
            cls(environment, "GitHub Actions", "GITHUB_ACTIONS", "ghcr.io", frozenset({"ghcr.io"}),
                "GITHUB_ACTOR", "GITHUB_TOKEN"),
        ]  # fmt: skip

    @property
    def name(self) -> str:
        return f"{self.service} ({self.password})"

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        if self.environment.get(self.switch) != "true":
            return Finding("not inside a job")
        if not self.host or host.lower() != self.host:
            return Finding(f"for {self.host} only" if self.host else "the project has no registry")
        user, password = self.environment.get(self.user), self.environment.get(self.password)
        if not user or not password:
            return Finding(f"{self.user} or {self.password} is not set")
        return Finding(self.password, Login(user, Secret(password), source=self.password, realms=self.realms))
