"""A `pattern` is compiled when it is first asked: a run loads many modules, and uses few of their patterns."""

import re
from typing import Any, AnyStr, cast

_ASKED = ("findall", "finditer", "flags", "fullmatch", "match", "pattern", "search", "split", "sub", "subn")


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Give what answers as `re.compile` does. It is no argument of the functions of `re`."""
    return cast("re.Pattern[AnyStr]", _Later(text, flags))


class _Later:
    def __init__(self, text: Any, flags: int) -> None:
        self._said = text, flags

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):  # no pattern has one, and a copy is asked before it has `_said`
            raise AttributeError(name)
        compiled = re.compile(*self._said)
        if name in _ASKED:  # and not another time by this way
            self.__dict__.update({asked: getattr(compiled, asked) for asked in _ASKED})
        return getattr(compiled, name)
