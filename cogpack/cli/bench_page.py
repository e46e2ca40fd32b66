"""`cogpack bench pull --html`: one page with what was measured, plotted, for who has never seen it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cogpack.cli.bench_text import machine_text, network_text, verdict
from cogpack.pages.elements import Html, element, joined, section
from cogpack.pages.model_page import header
from cogpack.pages.page import page
from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.bench.model import Pull, Span
    from cogpack.commands.bench import OtherLayout, PullBench

_WIDTH, _HEIGHT = 640, 220
_LEFT, _BOTTOM = 64, 30
_ROW = 16
_MOST_ROWS = 80
"""Layers that are drawn; more are told as a number."""


def bench_page(found: "PullBench") -> str:
    """Make the page."""
    here = found.pulls[0]
    facts = [
        ("verdict", verdict(found)),
        ("size", f"{size_text(found.size)} in {count_text(len(found.layers), 'layer')}"),
        ("network", network_text(found)),
        ("machine", machine_text(found)),
    ]
    sections = [
        section(
            "How long a pull takes",
            element("p", "Calculated from what was measured; where a pull was made, too, its time stands beside.",
                    class_="description"),
            _pulls(found),
        ),
        section(
            "What the registry brings",
            element("p", "Megabytes a second of so many connections together. A stock engine opens one a layer, three "
                    "at a time, or six.", class_="description"),
            _rates(found),
        ),
        section(
            f"{here.client}, layer by layer",
            element("p", "Pale: the layer comes. Full: it is unpacked, which waits for all below it.",
                    class_="description"),
            _timeline(here.spans, here.seconds),
        ),
        section(
            "The same weights in other layers",
            element("p", f"What {here.client} would take here.", class_="description"),
            _layouts(found.layouts, here),
        )
        if found.layouts
        else "",
        section("Layers by size", _sizes(found)),
    ]  # fmt: skip
    return page(
        f"{found.reference} - bench pull",
        header("cogpack bench pull", found.reference, facts),
        element("main", *sections, class_="stack"),
    )


def _pulls(found: "PullBench") -> Html:
    measured = {pull.client: pull for pull in found.measured}
    most = max(
        found.limit,
        *(pull.seconds for pull in found.pulls),
        *(pull.seconds for pull in found.measured),
    )
    rows = []
    for pull in found.pulls:
        made = measured.get(pull.client)
        wall = f"held up by: {pull.wall}" if pull.wall else ""
        rows.append(_row(pull.client, wall, pull.seconds, most, "layer-weights"))
        if made:
            off = f"{100 * made.error:+.0f} % is the calculation's error"
            rows.append(_row(f"{pull.client}, measured", off, made.seconds, most, "layer-run"))
    rows.append(_row("limit", "what no client can beat here", found.limit, most, "layer-other"))
    more = [element("p", f"Not measured: {why}", class_="description") for why in found.unmeasured]
    return joined([_bars(rows), *more])


def _layouts(layouts: "Sequence[OtherLayout]", here: "Pull") -> Html:
    most = max(here.seconds, *(layout.seconds for layout in layouts))
    rows = [_row("as it is", count_text(here.layers, "layer"), here.seconds, most, "layer-run")]
    for layout in layouts:
        told = f"{count_text(layout.layers, 'layer')}, {size_text(layout.size)}"
        rows.append(_row(layout.name, told, layout.seconds, most, "layer-weights"))
    return _bars(rows)


def _row(name: str, said: str, seconds: float, most: float, kind: str) -> Html:
    width = 100 * seconds / most if most else 0
    bar = element(
        "svg",
        element("rect", class_=kind, x="0", width=f"{width:.2f}%", height="100%"),
        class_="bar",
        role="img",
        aria_label=f"{name}: {time_text(seconds)}",
    )
    told = element("p", said, class_="description") if said else ""
    return element(
        "tr",
        element("td", name, told, class_="long"),
        element("td", time_text(seconds), class_="number"),
        element("td", bar, class_="wide"),
    )


def _bars(rows: Sequence[Html]) -> Html:
    table = element("table", element("tbody", *rows), class_="bars")
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label="times")


def _rates(found: "PullBench") -> Html:
    lanes = found.network.lanes
    most = max(lane.rate for lane in lanes)
    wide, high = _WIDTH - _LEFT - 16, _HEIGHT - _BOTTOM - 24
    places = [
        (_LEFT + wide * at / max(1, len(lanes) - 1), 16 + high * (1 - lane.rate / most))
        for at, lane in enumerate(lanes)
    ]
    parts = list(_axes(most / 1e6, "MB/s"))
    parts.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_="curve"))
    for (x, y), lane in zip(places, lanes, strict=True):
        told = f"{lane.connections} connections: {size_text(lane.rate)}/s"
        parts.append(element("circle", element("title", told), cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", class_="dot"))
        parts.append(
            element(
                "text", str(lane.connections), x=f"{x:.1f}", y=str(_HEIGHT - 10), class_="axis", text_anchor="middle"
            )
        )
    return _plot(parts, _HEIGHT, "rate by connections")


def _axes(most: float, unit: str) -> Iterator[Html]:
    for part in (0.0, 0.5, 1.0):
        y = 16 + (_HEIGHT - _BOTTOM - 24) * (1 - part)
        yield element("line", x1=str(_LEFT), x2=str(_WIDTH - 16), y1=f"{y:.1f}", y2=f"{y:.1f}", class_="rule")
        told = f"{most * part:.0f} {unit}" if part else "0"
        yield element("text", told, x=str(_LEFT - 6), y=f"{y + 4:.1f}", class_="axis", text_anchor="end")


def _timeline(spans: "Sequence[Span]", seconds: float) -> Html:
    shown = spans[:_MOST_ROWS]
    height = _ROW * len(shown) + _BOTTOM
    wide = _WIDTH - 16
    parts = []
    for row, span in enumerate(shown):
        kind = "layer-weights" if span.weights else "layer-wheels"
        told = f"{span.name}, {size_text(span.size)}: came at {time_text(span.came)}, "
        told += f"unpacked at {time_text(span.done)}"
        for begin, end, how in ((span.asked, span.came, "comes"), (span.begun, span.done, "unpacks")):
            x, width = wide * begin / seconds, max(1.0, wide * (end - begin) / seconds)
            parts.append(
                element(
                    "rect",
                    element("title", told),
                    x=f"{8 + x:.1f}",
                    y=str(row * _ROW + 2),
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
    more = f"and {count_text(len(spans) - len(shown), 'more layer')}" if len(spans) > len(shown) else ""
    return joined([_plot(parts, height, "layers over time"), element("p", more, class_="description") if more else ""])


def _plot(parts: Sequence[Html], height: int, label: str) -> Html:
    return element("svg", *parts, class_="plot", viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=label)


def _sizes(found: "PullBench") -> Html:
    body = [
        element(
            "tr",
            element("td", layer.name, class_="long"),
            element("td", layer.form),
            element("td", size_text(layer.size), class_="number"),
        )
        for layer in sorted(found.layers, key=lambda layer: -layer.size)
    ]
    head = [element("th", "Layer", scope="col"), element("th", "Form", scope="col")]
    head.append(element("th", "Size", scope="col", class_="number"))
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body), class_="rows")
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label="layers")
