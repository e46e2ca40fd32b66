"""Challenges (WWW-Authenticate) say how a server lets itself be asked (RFC 9110 11.6.1)."""

import re

import msgspec

from cogpack.patterns import pattern

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ITEM = pattern(rf'({_NAME})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?', re.DOTALL)
_ESCAPED = pattern(r"\\(.)", re.DOTALL)


class Challenge(msgspec.Struct, frozen=True):
    """A challenge is a scheme ("bearer", "basic"; in lower case) and its parameters, names in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Read all challenges of `header`, several headers joined by commas; those that we can't answer, too.

    In one pass, and what is no grammar is passed over: registries send every shape of it.
    """
    found: list[Challenge] = []
    for item in _ITEM.finditer(header):
        name, quoted, bare = item.groups()
        if quoted is None and bare is None:
            found.append(Challenge(name.lower(), {}))
        elif found:
            value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare
            found[-1].parameters.setdefault(name.lower(), value)
    return found
