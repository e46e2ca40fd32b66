"""Links of a page of HTML are read, or written anew, while all else stays byte for byte.

Tags are told as HTML says (13.2.5, "Tokenization"): a `>` between quotes ends none, values need no quotes, and
comments, scripts and styles have no tags. Each character is looked at a bounded number of times, whatever a page
holds: the standard library's parser of Python 3.11 takes the square of a page's length for some.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from html import escape, unescape
from urllib.parse import urljoin

import msgspec

from cogpack.errors import UnavailableError

_LONGEST = 8_192
"""Characters of an address that links are relative to: each of them is made as long."""
_MOST = 256 * 1024 * 1024
"""Characters of a page that is written anew."""
_WITH_BASE = re.compile("<base", re.IGNORECASE | re.ASCII)
_MARKUP = re.compile(r"<(?:(?P<tag>/?[a-z][^\s/>]*)|(?P<comment>!--)|[!?/])", re.IGNORECASE | re.ASCII)
_ATTRIBUTE = re.compile(
    r"""[\s/]*+(?P<name>=?[^\s/>=]*+)(?:\s*+=\s*+(?P<value>"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s"'>][^\s>]*+))?+""",
    re.ASCII,
)
_COMMENT_END = re.compile(r"(?<=<!--)-?>|--!?>")
_TEXT_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE | re.ASCII) for name in ("script", "style")}


class _Tag(msgspec.Struct, frozen=True):
    """`start`, `end`: of the tag in its page; `values`: where those of its attributes are, by name in small letters, of
    each name the first that has one."""

    name: str
    start: int
    end: int
    values: Mapping[str, tuple[int, int]]


def links(page: str, base: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give the attributes of each link that have a value, `href` among them, after what that is relative to. `base`:
    of the page."""
    base, _ = _based(page, base)
    for tag in _tags(page):
        if tag.name == "a":
            yield base, {name: _value(page, place) for name, place in tag.values.items()}


def rewritten(page: str, base: str, asked: Callable[[str, str], str]) -> str:
    """Give `page` with the result of `asked(link, base)` for each link. `base`: of the page; its own first `<base>`
    goes before and is left out, unless it can't be read: who reads the page may complain of it."""
    pieces: list[str] = []
    done = length = 0
    base, own = _based(page, base)
    for tag in _tags(page):
        start, end = tag.values["href"]
        text = ""
        if tag.name == "a":
            text = f'"{escape(asked(_value(page, (start, end)), base))}"'
        elif tag == own:
            start, end = tag.start, tag.end
        else:
            continue
        pieces += page[done:start], text
        done = end
        length += len(text)
        if length > _MOST:
            raise UnavailableError(f"{base}: its links are longer than {_MOST} bytes", next_step="check the index")
    return "".join((*pieces, page[done:]))


def _based(page: str, base: str) -> tuple[str, _Tag | None]:
    """Give what links are relative to, and the tag that says so, if one does."""
    own = next((tag for tag in _tags(page) if tag.name == "base"), None) if _WITH_BASE.search(page) else None
    if own:
        with suppress(ValueError):
            return _joined(base, _value(page, own.values["href"])), own
    return base, None


def _joined(base: str, link: str) -> str:
    found = urljoin(base, link)
    if len(found) > _LONGEST:
        raise ValueError("too long")
    return found


def _value(page: str, place: tuple[int, int]) -> str:
    text = page[slice(*place)]
    return unescape(text[1:-1] if text[0] in "\"'" else text)


def _tags(page: str) -> Iterator[_Tag]:
    """Give the start tags of links and bases that have a `href`. What has no end ends the page, as HTML says."""
    place = 0
    while markup := _MARKUP.search(page, place):
        name = (markup["tag"] or "").lower()
        if name:
            tag = _tag(page, name, markup.start(), markup.end())
            if tag is None:
                return
            if name in ("a", "base") and "href" in tag.values:
                yield tag
            place = tag.end
            if name in _TEXT_END:
                end = _TEXT_END[name].search(page, place)
                place = end.start() if end else len(page)
        elif markup["comment"]:
            end = _COMMENT_END.search(page, markup.end())
            place = end.end() if end else len(page)
        else:
            place = page.find(">", markup.end()) + 1 or len(page)


def _tag(page: str, name: str, start: int, place: int) -> _Tag | None:
    """Read the attributes at `place`, to the end of the tag; None where there is none."""
    values: dict[str, tuple[int, int]] = {}
    while place < len(page):
        attribute = _ATTRIBUTE.match(page, place)
        assert attribute is not None  # all of it may be empty
        place = attribute.end()
        if attribute["value"]:
            values.setdefault(attribute["name"].lower(), attribute.span("value"))
        if page.startswith(">", place):
            return _Tag(name, start, place + 1, values)
    return None
