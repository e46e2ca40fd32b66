"""What the pages of `cogpack bench` draw: bars of seconds, a rate by connections, layers over time, layers by size."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cogpack.pages.elements import Html, element, joined
from cogpack.pages.parts import Column, Share, bar, table, told
from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.bench.lanes import Lane

_WIDTH, _HEIGHT = 640, 220
_LEFT, _BOTTOM = 64, 30
_ROW = 16
_MOST_ROWS = 80
"""Layers that are drawn; more are told as a number."""


class Stretch(NamedTuple):
    """A part of a layer's time, in seconds: `how` is the style's name for it."""

    begin: float
    end: float
    how: str


class Line(NamedTuple):
    """A layer over time. `told`: what is said of it."""

    told: str
    weights: bool
    stretches: Sequence[Stretch]


def row(name: str, said: str, seconds: float, most: float, kind: str) -> Sequence[str]:
    drawn = bar(f"{name}: {time_text(seconds)}", [Share(kind, seconds)], most)
    return joined([name, told(said) if said else ""]), drawn, time_text(seconds)


def bars(rows: Sequence[Sequence[str]]) -> Html:
    return table("times", (Column("", "long"), Column("", "wide"), Column("", "number")), rows, "bars")


def rates(lanes: "Sequence[Lane]") -> Html:
    """Plot what so many connections move together."""
    most = max(lane.rate for lane in lanes)
    wide, high = _WIDTH - _LEFT - 16, _HEIGHT - _BOTTOM - 24
    places = [
        (_LEFT + wide * at / max(1, len(lanes) - 1), 16 + high * (1 - lane.rate / most))
        for at, lane in enumerate(lanes)
    ]
    parts = list(_axes(most / 1e6, "MB/s"))
    parts.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_="curve"))
    for (x, y), lane in zip(places, lanes, strict=True):
        said = f"{lane.connections} connections: {size_text(lane.rate)}/s"
        parts.append(element("circle", element("title", said), cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", class_="dot"))
        parts.append(
            element(
                "text", str(lane.connections), x=f"{x:.1f}", y=str(_HEIGHT - 10), class_="axis", text_anchor="middle"
            )
        )
    return plot(parts, _HEIGHT, "rate by connections")


def _axes(most: float, unit: str) -> Iterator[Html]:
    for part in (0.0, 0.5, 1.0):
        y = 16 + (_HEIGHT - _BOTTOM - 24) * (1 - part)
        yield element("line", x1=str(_LEFT), x2=str(_WIDTH - 16), y1=f"{y:.1f}", y2=f"{y:.1f}", class_="rule")
        said = f"{most * part:.0f} {unit}" if part else "0"
        yield element("text", said, x=str(_LEFT - 6), y=f"{y + 4:.1f}", class_="axis", text_anchor="end")


def timeline(lines: Sequence[Line], seconds: float) -> Html:
    """Draw when each layer moves."""
    shown = lines[:_MOST_ROWS]
    height = _ROW * len(shown) + _BOTTOM
    wide = _WIDTH - 16
    whole = seconds or 1.0
    parts = []
    for place, line in enumerate(shown):
        kind = "layer-weights" if line.weights else "layer-wheels"
        for begin, end, how in line.stretches:
            x, width = wide * begin / whole, max(1.0, wide * (end - begin) / whole)
            parts.append(
                element(
                    "rect",
                    element("title", line.told),
                    x=f"{8 + x:.1f}",
                    y=str(place * _ROW + 2),
                    width=f"{width:.1f}",
                    height=str(_ROW - 4),
                    class_=f"{kind} {how}",
                )
            )
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = 8 + wide * part
        parts.append(
            element(
                "text", time_text(seconds * part), x=f"{x:.0f}", y=str(height - 8), class_="axis", text_anchor=anchor
            )
        )
    more = f"and {count_text(len(lines) - len(shown), 'more layer')}" if len(lines) > len(shown) else ""
    return joined([plot(parts, height, "layers over time"), told(more) if more else ""])


def plot(parts: Sequence[Html], height: int, label: str) -> Html:
    return element("svg", *parts, class_="plot", viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=label)


def sizes(layers: Iterable[tuple[str, str, int]]) -> Html:
    """List layers by their bytes: of each the name, the form, the size."""
    rows = [(name, form, size_text(size)) for name, form, size in sorted(layers, key=lambda layer: -layer[2])]
    return table("layers", (Column("Layer", "long"), Column("Form"), Column("Size", "number")), rows)
