"""`.dockerignore` is read in Docker's language (Docker docs, "Build context", .dockerignore files; not git's).

Patterns start at the project's root. `*` and `?` stay within a name, `**` spans any number of directories, `[a-z]` is
a class, `\\` quotes. A pattern that matches a directory matches all below it. The last pattern that matches decides;
after `!` it takes the path back in. `#` in the first column begins a comment.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from cogpack.errors import InputError

MAX_PATTERNS = 10_000
_MAX_SPANS = 3
"""`**` in one pattern"""
_MAX_LOOSE = 2
"""where one of them stands in the middle of a name (`a**b`): each one more multiplies the time to match."""
_GAP = "(?:.*/)?"


class Pattern(msgspec.Struct, frozen=True):
    """Is one pattern. `text` is cleaned: no leading or trailing slash, no empty or dot component; `regex` fits whole
    paths."""

    text: str
    regex: str
    negated: bool = False

    @property
    def fixed(self) -> str:
        """Give the leading directories without wildcards: what it can match lies at, above or below them."""
        parts = self.text.split("/")
        plain = next((index for index, part in enumerate(parts) if set(part) & set("*?[\\")), len(parts))
        return "/".join(parts[:plain])


class Patterns:
    """Holds the patterns of one file, in order.

    A path's state is a bit mask of the patterns that match it or a directory above it: the highest bit decides.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._regexes = [re.compile(pattern.regex, re.DOTALL) for pattern in patterns]
        self._any = re.compile("|".join(f"(?:{pattern.regex})" for pattern in patterns), re.DOTALL)
        self._kept = sum(1 << index for index, pattern in enumerate(patterns) if pattern.negated)
        self._back = [pattern.fixed for pattern in patterns if pattern.negated]

    def __bool__(self) -> bool:
        return bool(self._regexes)

    def match(self, path: str, above: int = 0) -> int:
        """Tell the state of `path`, given the state `above` of its directory."""
        if not self._regexes or not self._any.fullmatch(path):
            return above
        return above | sum(1 << index for index, regex in enumerate(self._regexes) if regex.fullmatch(path))

    def ignores(self, state: int) -> bool:
        return state != 0 and not self._kept >> (state.bit_length() - 1) & 1

    def takes_in(self, path: str) -> bool:
        """Tell whether a pattern with `!` means the directory `path`, or something in it, and does not just meet it."""
        state = self.match(path)
        return (state != 0 and not self.ignores(state)) or any(fixed.startswith(f"{path}/") for fixed in self._back)

    def may_keep_below(self, directory: str) -> bool:
        """Tell whether a `!` pattern could match something inside an ignored `directory`."""
        inside = directory + "/"
        return any(not fixed or inside.startswith(fixed + "/") or fixed.startswith(inside) for fixed in self._back)

    def matches(self, path: str) -> bool:
        """Tell whether the last pattern that matches `path` or a directory above it is one without `!`."""
        if not self._regexes:
            return False
        state, parts = 0, path.split("/")
        for end in range(1, len(parts) + 1):
            state = self.match("/".join(parts[:end]), state)
        return self.ignores(state)


def parse_ignore(text: str, *, path: str) -> Patterns:
    """Read a `.dockerignore`; a pattern that can't be is an `InputError` naming `path` and the line."""
    return Patterns(list(_patterns(text, path)))


def parse_globs(globs: Sequence[str], *, where: str) -> Patterns:
    """Read patterns without comments and `!`; `where` names the place for errors."""
    return Patterns([_pattern(glob, where=where) for glob in globs])


def _patterns(text: str, path: str) -> Iterator[Pattern]:
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        where = f"{path}:{number}"
        if number > MAX_PATTERNS:
            raise InputError(f"{where}: more than {MAX_PATTERNS} lines", next_step="use broader patterns")
        line = raw.strip()
        if raw.startswith("#") or not line:
            continue
        negated = line.startswith("!")
        yield _pattern(line[1:].strip() if negated else line, where=where, negated=negated)


def _pattern(text: str, *, where: str, negated: bool = False) -> Pattern:
    parts: list[str] = []
    for part in text.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part == "**" and parts[-1:] == ["**"]:
            continue
        elif part not in ("", "."):
            parts.append(part)
    clean = "/".join(parts)
    if not text:
        raise InputError(f"{where}: ! stands alone", next_step="write a pattern behind it, or delete the line")
    if clean.count("**") > _MAX_SPANS or len(clean) > 4096:
        raise _complex(where)
    return Pattern(clean, _regex(clean, where), negated)


def _complex(where: str) -> InputError:
    return InputError(f"{where}: the pattern is too complex", next_step="write it with fewer **")


def _regex(pattern: str, where: str) -> str:
    if pattern.startswith("**") and not re.search(r"[*?\[\]\\]", pattern[2:]) and pattern[2:3] not in ("/", ""):
        return f".*{re.escape(pattern[2:])}"  # Docker takes a leading ** before plain text as "ends with"
    # star: where the last `*` of the present name begins in `out`; gap: where the last `**` does, if a name began there
    out, index, star, gap, gaps, loose = "", 0, -1, -1, 0, False
    while index < len(pattern):
        mark = pattern[index]
        index += 1
        if mark == "*" and pattern.startswith("*", index):
            index += 1 + pattern.startswith("/", index + 1)
            begins = not out or (out.endswith("/") and not out.endswith("\\/"))
            if begins and gap >= 0:  # whole names between two `**` may be taken at their first place for good
                out = f"{out[:gap]}(?>(?:[^/]*/)*?{out[gap + len(_GAP) :]})"
            if index >= len(pattern):
                return out + ".*"
            gaps, loose = gaps + 1, loose or not begins
            if loose and gaps > _MAX_LOOSE:
                raise _complex(where)
            out, star, gap = out + _GAP, -1, len(out) if begins else -1
        elif mark == "*":
            if star >= 0:  # what follows a `*` that isn't the last of its name may be taken at its first place for good
                out = f"{out[:star]}(?>[^/]*?{out[star + len('[^/]*') :]})"
            out, star = out + "[^/]*", len(out)
        elif mark == "?":
            out += "[^/]"
        elif mark == "[":
            out, index = _class(out, pattern, index, where)
        else:
            if mark == "\\":
                if index == len(pattern):
                    raise InputError(f"{where}: the pattern ends with a backslash", next_step="delete or double it")
                mark = pattern[index]
                index += 1
            out += re.escape(mark)
            star = -1 if mark == "/" else star
    return out


def _class(out: str, pattern: str, index: int, where: str) -> tuple[str, int]:
    """Translate a class `[...]` from `index` on: Go's path.Match grammar, `^` negates, `\\` quotes, `/` never
    matches."""
    bad = InputError(f"{where}: {pattern:.80}: a [ is not closed or empty", next_step="write \\[ for a bracket itself")
    negated = pattern.startswith("^", index)
    index += negated
    items = ""
    while True:
        low, index = _member(pattern, index, bad)
        high = low
        if pattern.startswith("-", index):
            high, index = _member(pattern, index + 1, bad)
        if low > high:
            raise InputError(f"{where}: {pattern:.80}: range {low}-{high} is empty", next_step="swap its ends")
        items += f"{re.escape(low)}-{re.escape(high)}"
        if pattern.startswith("]", index):
            return out + f"(?!/)[{'^' if negated else ''}{items}]", index + 1


def _member(pattern: str, index: int, bad: InputError) -> tuple[str, int]:
    if pattern.startswith("\\", index):
        index += 1
    elif pattern[index : index + 1] in ("]", "-"):
        raise bad
    if index >= len(pattern):
        raise bad
    return pattern[index], index + 1
