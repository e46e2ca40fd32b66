"""This module tells which lines of the user's files are not shown in an error, since a secret may be in them.

Rather too many than one too few: an error says all without its line, and logs of CI are read by many.
"""

import re
from collections.abc import Sequence

from cogpack.redaction import names_secret, redact

LONGEST = 2000
"""Characters of a line that may be shown: what takes longer to look at was not written by hand."""
_WORD = re.compile(r"[A-Za-z_][\w-]{0,200}")
_COUNTED = re.compile(r"^TOKENS$|(?:^|_)(?:MAX|MIN|NUM|N|NEW|STOP|SPECIAL|PROMPT|TOTAL)_(?:\w{1,20}_)?TOKENS?$")
"""Names about the tokens that text is divided into."""
_SHORT_NAMES = re.compile(r"(?:^|_)(?:PASS|PWD|PIN|KEY|AUTH|AUTHORI[SZ]ATION)$")
"""Names of secrets beside those of variables (`names_secret`)."""
_MIXED = re.compile(r"[\w+/-]{20,}")
"""A word as keys are, if it has both letters and digits."""
_USER = re.compile(r"(?<!\S)(?:-[A-Za-z]{0,9}[uU]|--(?:proxy-)?user)[\s=]{0,9}[\"']?[^\s:]{1,200}:\S")
"""Options of curl and others that take a user with a password."""
_SHAPED = re.compile(
    r"\b(?:hf_|gh[opsur]_|github_pat_|glpat-|r8_|sk[-_]|xox[abprs]-|AKIA|ASIA|pypi-|npm_|AIza)[\w-]{8}"
    r"|eyJ[\w-]{1,500}\.eyJ|-----BEGIN"
)
"""How keys and tokens begin."""
_GOES_ON = tuple("=:([{,|>\\+-")
"""Ends of a line whose value is in the next one."""

_OPENS = re.compile(r"(?:^|[\s{,\[-])[\"']?(?:environment|run|pre_install|secrets?|mounts?|env)[\"']?\s{0,9}:")
"""Keys of cog.yaml below which nothing is shown: anything may stand in a variable or a command."""
_REFERENCE = re.compile(r"run:\s{1,9}[^\s\[{|>&*!#-]")
"""The `run` at the top, which names the model."""
_KEY = re.compile(r"\s*[\"']?[a-z_]{1,100}[\"']?\s{0,9}:(?:\s|$)")


def may_hold_secret(lines: Sequence[str], index: int, *, is_config: bool) -> bool:
    """Tell whether a line is not to be shown. `is_config`: of a file like cog.yaml."""
    before = lines[index - 1].rstrip() if index else ""
    if _tells(lines[index]) or (before.endswith(_GOES_ON) and _tells(before)):
        return True
    return is_config and _is_below(lines, index)


def _tells(line: str) -> bool:
    if len(line) > LONGEST:
        return True
    return (
        redact(line) != line
        or bool(_SHAPED.search(line) or _USER.search(line))
        or any(_names(word) for word in _WORD.findall(line))
        or any(_is_mixed(word) for word in _MIXED.findall(line))
    )


def _names(word: str) -> bool:
    name = word.upper().replace("-", "_").rstrip("_")
    return not _COUNTED.search(name) and (names_secret(name) or bool(_SHORT_NAMES.search(name)))


def _is_mixed(word: str) -> bool:
    return any(sign.isdigit() for sign in word) and any(sign.isalpha() for sign in word)


def _is_below(lines: Sequence[str], index: int) -> bool:
    """Tell whether a line has, or is below, a key that may have secrets: till a key that is no deeper than that."""
    depth: int | None = None
    for line in lines[: index + 1]:
        own = len(line) - len(line.lstrip())
        if depth is not None and own <= depth and len(line) <= LONGEST and _KEY.match(line):
            depth = None
        if depth is None and (len(line) > LONGEST or (_OPENS.search(line) and not _REFERENCE.match(line))):
            depth = own
    return depth is not None
