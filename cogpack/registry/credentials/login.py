"""One login, and the text that is never shown."""

import base64
import time
from enum import StrEnum

import msgspec

from cogpack.redaction import learn


class Secret:
    """Text that `repr`, tracebacks and logs don't show, and that nothing that we print holds (`redaction`)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        learn(text)

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"


class Kind(StrEnum):
    PASSWORD = "password"  # noqa: S105 - sent as Basic, to the registry or its token server
    IDENTITY_TOKEN = "identity token"  # noqa: S105 - an OAuth2 refresh token, posted to the token server
    REGISTRY_TOKEN = "registry token"  # noqa: S105 - a bearer token, used as it is


class Login(msgspec.Struct, frozen=True):
    """`source`: which source gave it, for people. `realms`: hosts whose token servers may see it, None for any.

    `ends`: when it stops to work, by the monotonic clock.
    """

    user: str
    secret: Secret
    kind: Kind = Kind.PASSWORD
    source: str = ""
    realms: frozenset[str] | None = None
    cloud: bool = False
    ends: float = float("inf")

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        assert self.kind is Kind.PASSWORD
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret.reveal()}".encode()).decode()

    def bearer(self) -> str:
        assert self.kind is Kind.REGISTRY_TOKEN
        return f"Bearer {self.secret.reveal()}"

    def is_of(self, other: "Login") -> bool:
        """Both are one account's; a cloud's token is another each time."""
        return (self.user, self.kind) == (other.user, other.kind) and (
            self.source == other.source or self.secret == other.secret
        )

    def ended(self) -> bool:
        return time.monotonic() >= self.ends

    def __str__(self) -> str:
        return f"{self.kind} of {self.user} from {self.source}" if self.user else f"{self.kind} from {self.source}"
