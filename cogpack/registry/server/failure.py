"""A refusal is what the server answers when it does not do what was asked (distribution-spec, "Error Codes")."""

from collections.abc import Mapping

from cogpack.oci import encode


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the server
    """Raised to answer an error. `code` is one of the spec's; `headers` go out with the answer."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] = {}) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = encode({"errors": [{"code": code, "message": message}]})
