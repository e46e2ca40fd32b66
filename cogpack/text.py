"""This module writes numbers, times and names as people read them."""

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime

from cogpack.redaction import redact


def size_text(size: float) -> str:
    """Write bytes in decimal units, as registries and networks count: 14 kB, 91.0 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit in ("B", "kB") else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"


def of_text(part: float, whole: float | None) -> str:
    """Write a part of a whole, the unit once: `45.2 of 165.5 MB`; `45.2 MB` where the whole is not known."""
    if whole is None:
        return size_text(part)
    first, second = size_text(part), size_text(whole)
    return f"{first.split()[0]} of {second}" if first.split()[1] == second.split()[1] else f"{first} of {second}"


def time_text(seconds: float) -> str:
    """Write seconds: 0.4 s, 42 s, 3 min 20 s, 2 h 5 min, 3 days."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole >= 2 * 86400:
        return f"{whole // 86400} days"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole % 3600 >= 60 else f"{whole // 3600} h"


def utc(seconds: int) -> str:
    """Write a time, in seconds since 1970, as documents have it (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count_text(count: int, noun: str) -> str:
    """Write `1 file`, `2 files`: a noun whose plural is an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: str) -> str:
    """Return what may be shown of `text`: no secrets, and no signs that would command a terminal."""
    return visible(redact(text))


def visible(text: str) -> str:
    """Show signs that would command a terminal, which names of servers may have, as question marks. Lines stay
    lines."""
    return "".join("?" if unicodedata.category(sign)[0] == "C" and sign not in "\n\t" else sign for sign in text)


def one_line(text: str) -> str:
    """Return what may be shown of `text` in one line: names that others gave can't begin another one."""
    return printable(text).replace("\n", "\\n")


def lines(rows: Iterable[str]) -> str:
    """Write a row a line, whatever is in it."""
    return "\n".join(row.replace("\n", "\\n") for row in rows)


def harmless(text: str) -> str:
    """Show what commands a terminal as question marks, and leave the joiners of emoji and the marks of direction."""
    return "".join("?" if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t" else sign for sign in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the one of `known` that is most like a word that is wrong; "" where none is."""
    import difflib  # few runs have such a word

    return next(iter(difflib.get_close_matches(word[:80], list(known), n=1)), "")


def cells(text: str) -> int:
    """Count the columns of a terminal that `text` takes: letters of East Asia take two, combining signs none."""
    return sum(0 if unicodedata.combining(s) else 2 if unicodedata.east_asian_width(s) in "WF" else 1 for s in text)


def shortened(text: str, width: int) -> str:
    """Return `text` in `width` columns at most: what is too much is left out of its middle."""
    if cells(text) <= width:
        return text
    # What is left ends here and begins there: numbers, since each cut would copy what may be very long.
    end = begin = len(text) // 2
    left, right = cells(text[:end]), cells(text[begin:])
    while end and begin < len(text) and left + right + 1 > width:
        if left >= right:
            end -= 1
            left -= cells(text[end])
        else:
            right -= cells(text[begin])
            begin += 1
    return f"{text[:end]}…{text[begin:]}" if width > 2 else ""
