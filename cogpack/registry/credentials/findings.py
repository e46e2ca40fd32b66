"""What a source of credentials is, and what it says."""

from typing import Protocol

import msgspec

from cogpack.registry.credentials.login import Login, Secret


class Finding(msgspec.Struct, frozen=True):
    """What a source said: a login or, in a few words, why it has none.

    `broken`: worth a note to the user. `advice`: a next step that would make it give a login.
    """

    said: str
    login: Login | None = None
    broken: bool = False
    advice: str = ""


class CredentialSource(Protocol):
    @property
    def name(self) -> str:
        """As it is shown: a path, a variable, a cloud."""

    def find(self, host: str, repository: str) -> Finding:
        """Ask it now. Raises `DeniedError` where it should have had a login and going on would hide that."""


GIVEN = "this login"
"""Name of the source that the caller is: whoever tries a login, typed in or read from a pipe."""


class Given(msgspec.Struct, frozen=True):
    """Credentials that the caller names for one host."""

    host: str
    user: str
    secret: Secret

    @property
    def name(self) -> str:
        return GIVEN

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        if host != self.host:
            return Finding("for another host")
        return Finding("given", Login(self.user, self.secret, source=self.name))


class Looked(msgspec.Struct, frozen=True):
    source: str
    said: str


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What `Credentials.explain` found. `kind`: "password", "identity token", "registry token", "cloud" or None.

    `failed`: the error that a command would end with, instead of going on as nobody.
    """

    name: str
    source: str | None = None
    kind: str | None = None
    user: str | None = None
    failed: str | None = None
    looked: tuple[Looked, ...] = ()

    @property
    def who(self) -> str:
        """For people, as in "password of me from FILE"."""
        if self.failed:
            return f"an error: {self.failed}"
        if self.source is None:
            return "anonymous"
        return f"{self.kind} of {self.user} from {self.source}" if self.user else f"{self.kind} from {self.source}"
