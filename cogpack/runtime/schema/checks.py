"""Values are checked against what is declared for them, and patterns for meaning the same to all who read them."""

import re
import warnings

from cogpack.patterns import pattern
from cogpack.runtime.schema.annotations import Type
from cogpack.runtime.schema.arguments import Arguments
from cogpack.runtime.schema.computing import Value

_CHECKED_TEXT = 64
_CHECKED_PATTERN = 200
_CHECKED_WAYS = 1 << 24
"""In so many ways may a pattern match: those of a group's alternatives add up, what follows one another multiplies,"""
_LOOP = 1 << 5
"""and a repetition is worth so many, as of four that share a text of that length."""
_LOOPS = frozenset("*+?{")
_EXPECTED = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "True or False",
    "path": "text",
    "pathlib path": "text",
    "file": "text",
    "secret": "text",
    "object": "a dict",
    "class": "a dict",
    "dict": "a dict",
    "list": "a list",
}
_ONLY_COGLET = pattern(r"\(\?(?:=|!|<=|<!|>|P=|\()|\\[1-9]|[*+?}]\+")
_UNICODE_CLASS = pattern(r"\\[pP](?:\{[^{}]*\}|[A-Za-z])")


def type_violation(type_: Type, value: Value) -> str | None:
    """Say what was expected of a value by its type, None where it fits. None itself is the caller's business."""
    if type_.literals and (isinstance(value, bool) != (type_.kind == "boolean") or value not in type_.literals):
        return " or ".join(repr(one) for one in type_.literals)
    match type_.kind, value:
        case "union", _:
            if any(type_violation(member, value) is None for member in type_.members):
                return None
            return "one of " + ", ".join(member.text for member in type_.members)
        case "list", list():
            if type_.item is None or all(type_violation(type_.item, item) is None for item in value):
                return None
            return f"a list of {type_.item.text}"
        case (("string" | "path" | "pathlib path" | "file" | "secret"), str()):
            return None
        case "boolean", bool():
            return None
        case (("integer" | "number"), bool()):
            pass
        case "integer", int():
            return None
        case "integer", float() if value.is_integer():
            return None
        case "number", int() | float():
            return None
        case (("object" | "dict" | "class"), dict()):
            return None
    return _EXPECTED.get(type_.kind, type_.text)


def limit_violation(given: Arguments, value: Value) -> str | None:
    """Say which limit a value of the right type breaks, None where it keeps to all."""
    if isinstance(value, list):
        return next((broken for item in value if (broken := limit_violation(given, item))), None)
    if given.choices and value not in given.choices:
        return f"{value!r:.80} is not one of its choices"
    if given.choices:
        return None
    if isinstance(value, int | float):
        if given.ge is not None and value < given.ge:
            return f"{value!r} is less than ge={given.ge!r}"
        if given.le is not None and value > given.le:
            return f"{value!r} is more than le={given.le!r}"
    if isinstance(value, str):
        if given.min_length is not None and len(value) < given.min_length:
            return f"{value!r:.80} has {len(value)} characters, less than min_length={given.min_length}"
        if given.max_length is not None and len(value) > given.max_length:
            return f"{value!r:.80} has {len(value)} characters, more than max_length={given.max_length}"
        if given.regex is not None and differs(given.regex, value):
            return f"{value!r:.80} does not match regex={given.regex!r:.80}"
    return None


def pattern_fault(pattern: str) -> str | None:
    """Say why a pattern is no regular expression, None where it is one."""
    try:
        # Unicode classes are known to coglet and to Cog, not to Python.
        _compile(_UNICODE_CLASS.sub("w", pattern))
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return None


def differs(pattern: str, value: str) -> bool:
    """Tell whether a text is known not to match; of a pattern that could take for ever, or is of another flavour, the
    server tells."""
    try:
        return _can_check(pattern, value) and _compile(pattern).search(value) is None
    except (re.error, RecursionError, OverflowError):
        return False


def is_coglet_only(pattern: str) -> bool:
    """Tell whether a pattern has what coglet knows and Cog's own check does not: look-around, back references and
    such."""
    return _ONLY_COGLET.search(pattern.replace("\\\\", "")) is not None


def _compile(pattern: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern)


def _can_check(pattern: str, value: str) -> bool:
    """Tell whether to try a short pattern of few repetitions and alternatives, without repetition inside repetition:
    others can take Python's matcher for ever."""
    if len(value) > _CHECKED_TEXT or len(pattern) > _CHECKED_PATTERN or _UNICODE_CLASS.search(pattern):
        return False
    marks = _marks(pattern)
    ambiguous = [False]  # for each open group, whether it can match one text in more ways than one
    before, ways = [0], [1]  # for each open group, the ways of the alternatives before this one, and of this one so far
    for mark, following in zip(marks, [*marks[1:], ""], strict=False):
        if mark == "(":
            ambiguous.append(False)
            before.append(0)
            ways.append(1)
        elif mark == ")" and len(ambiguous) > 1:
            inner = ambiguous.pop()
            if inner and following in _LOOPS:
                return False
            ambiguous[-1] |= inner
            inside = before.pop() + ways.pop()
            ways[-1] *= inside
        elif mark == "|":
            ambiguous[-1] = True
            before[-1] += ways[-1]
            ways[-1] = 1
        elif mark in _LOOPS:
            ambiguous[-1] = True
            ways[-1] *= _LOOP
    return before[0] + ways[0] <= _CHECKED_WAYS


def _marks(pattern: str) -> list[str]:
    """Give the pattern's characters in order; an escape or a bracketed class counts as one plain character."""
    return re.findall(r"[^\\\[]", re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern, flags=re.DOTALL))
