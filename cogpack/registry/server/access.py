"""This module says who may use the server: one user with a password (HTTP Basic, RFC 7617)."""

import base64
import hashlib
import hmac

from cogpack.errors import InputError
from cogpack.redaction import learn


class User:
    """The one user. It keeps a hash of what he sends, not the password. A bad name or an empty password is an
    `InputError`."""

    def __init__(self, name: str, password: str) -> None:
        if not name or ":" in name:
            raise InputError(
                f"user {name!r:.100}: a name is not empty and has no colon", next_step="choose another --user"
            )
        if not password:
            raise InputError(
                f"user {name}: the password is empty",
                next_step="give it on standard input: cogpack registry serve DIR --user NAME < FILE",
            )
        learn(password)
        self._expected = _hash(base64.b64encode(f"{name}:{password}".encode()))

    def sent(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header is this user's; takes the same time however wrong it is."""
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "basic" and hmac.compare_digest(_hash(token.strip().encode()), self._expected)


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
