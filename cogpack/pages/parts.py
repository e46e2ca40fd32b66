"""The parts that all pages are made of, so that one style does for them: tables, bars, code, pairs, what is folded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cogpack.pages.elements import Html, element, joined
from cogpack.text import count_text

_LONG = 600
_LINES = 6
"""Characters and lines of a value that is shown without being asked for."""
_LEAST = 0.6
"""Percent of a bar that can be seen and pointed at."""


class Column(NamedTuple):
    """Is one column of a table. `kind`: how its cells are set, a class of the style: `long`, `number`, `digest`,
    `wide`."""

    title: str
    kind: str = ""


class Share(NamedTuple):
    """Is one stretch of a bar. `kind`: its colour, a class of the style; `title`: what a pointer on it is told."""

    kind: str
    size: float
    title: str = ""


def table(name: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], kind: str = "rows") -> Html:
    """Make a table. `name`: for who can't see it; `kind`: a class of the style. Each cell knows its column's title,
    which stands beside it where there is no room for a head. A row of one cell tells more of the one above it."""
    head = [element("th", title, scope="col", class_=how or False) for title, how in columns]
    titled = any(title for title, _ in columns)
    whole = element(
        "table",
        element("thead", element("tr", *head)) if titled else "",
        element("tbody", *(_row(columns, row) for row in rows)),
        class_=kind,
    )
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=name)


def _row(columns: Sequence[Column], row: Sequence[str]) -> Html:
    if len(row) == 1 < len(columns):
        return element("tr", element("td", *row, colspan=str(len(columns))), class_="more")
    cells = (
        element("td", cell, class_=how or False, data_label=title or False)
        for (title, how), cell in zip(columns, row, strict=True)
    )
    return element("tr", *cells)


def bar(label: str, shares: Sequence[Share], whole: float) -> Html:
    """Draw stretches behind each other, of a bar that is `whole` long; none is too small to be seen."""
    widths = [max(100 * one.size / whole, _LEAST) if whole and one.size else 0 for one in shares]
    scale = min(1, 100 / sum(widths)) if any(widths) else 1
    drawn, place = [], 0.0
    for one, width in zip(shares, widths, strict=True):
        title = [element("title", one.title)] if one.title else []
        drawn.append(
            element("rect", *title, class_=one.kind, x=f"{place:.2f}%", width=f"{width * scale:.2f}%", height="100%")
        )
        place += width * scale
    return element("svg", *drawn, class_="bar", role="img", aria_label=label)


def swatch(kind: str) -> Html:
    return element("span", class_=f"swatch {kind}", aria_hidden="true")


def told(text: str) -> Html:
    """Say something beside what is shown."""
    return element("p", text, class_="description")


def code(text: str) -> Html:
    return element("pre", text, class_="code", tabindex="0")


def folded(title: str, *inside: str) -> Html:
    return element("details", element("summary", title), *inside)


def pairs(found: Mapping[str, str]) -> Html:
    """List values by name, long ones folded."""

    def shown(value: str) -> str:
        lines = len(value.splitlines())
        return folded(count_text(lines, "line"), code(value)) if len(value) > _LONG or lines > _LINES else value

    rows = (element("div", element("dt", name), element("dd", shown(value))) for name, value in found.items())
    return element("dl", *rows, class_="pairs")


def listed(items: Iterable[Sequence[str]]) -> Html:
    """List things, each with what is told of it beside its name."""
    rows = (
        element("li", element("span", name, class_="name"), *(element("span", one) for one in rest))
        for name, *rest in items
    )
    return element("ul", *rows, class_="things", tabindex="0")  # it scrolls where there are many


class Section(NamedTuple):
    """Is a part of a page under a heading."""

    title: str
    inside: Html


def section(title: str, *inside: str) -> Section:
    return Section(title, joined(inside))


def draw_sections(sections: Iterable[Section]) -> Html:
    return joined(
        element("section", element("h2", title), inside, class_="card", id=_anchor(title)) for title, inside in sections
    )


def draw_contents(sections: Iterable[Section]) -> Html:
    """Lead to the sections of a page."""
    links = (element("li", element("a", title, href=f"#{_anchor(title)}")) for title, _ in sections)
    return element("nav", element("ul", *links), class_="contents", aria_label="on this page")


def _anchor(title: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in title.lower())
