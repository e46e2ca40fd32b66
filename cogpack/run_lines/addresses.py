"""Addresses in a line are known where they are of http or https and anybody may read them."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from cogpack.redaction import has_secret
from cogpack.run_lines.arguments import NotKnownError

_WEB = ("http", "https")


def address(text: str, schemes: Sequence[str] = _WEB) -> SplitResult:
    """Take an address apart; `NotKnownError` says what is wrong with it, and shows no login."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise NotKnownError("what should be an address is none") from None
    if "@" in parts.netloc:
        raise NotKnownError("the address has a login in it")
    if has_secret(text):
        raise NotKnownError("the address has what looks like a secret in it")
    if parts.scheme not in schemes or not host:
        raise NotKnownError(f"{text} is no address of http or https")
    if not re.fullmatch(r"[!-~]+", text):
        raise NotKnownError(f"{text!r} is written in a way that programs read differently")
    return parts


def last_part(url: str) -> str:
    """Give the name of the file that an address ends in, decoded."""
    return unquote(urlsplit(url).path).rpartition("/")[2]
