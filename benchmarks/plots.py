"""Plots of what benchmarks found, as SVG beside docs/benchmarks.md, which are read on light and on dark."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from report import Report, Table

_WIDTH = 860
_COLOURS = ("#2a9d6a", "#4a7fd4", "#d0772c", "#9a5fb4")
_OURS, _THEIRS, _LIMIT = "#2a9d6a", "#8899aa", "#d0453c"
_TEXT = "#7a7f87"


def plots(reports: Sequence[Report]) -> Mapping[str, str]:
    """By file name: that of pulls, and that of growth, of those reports that are there."""
    found = {}
    for report in reports:
        if report.name == "pull":
            found["benchmarks-pull.svg"] = bars(report.tables[0])
        if report.name == "growth":
            found["benchmarks-growth.svg"] = growth(report.tables)
    return found


def bars(table: Table) -> str:
    """Medians with their range, and a line at the limit that its rows are measured by."""
    longest = max(run.seconds for row in table.rows for run in row.runs)
    scale, height = 560 / longest, 34 * len(table.rows) + 60
    parts = [_text(10, 20, table.title, bold=True)]
    for index, row in enumerate(table.rows):
        top, seconds = 34 * index + 36, [run.seconds for run in row.runs]
        colour = _OURS if row.name == table.ours else _THEIRS
        left, right = (180 + value * scale for value in (min(seconds), max(seconds)))
        parts += [
            _text(10, top + 16, row.name),
            f'<rect x="180" y="{top}" width="{row.median * scale:.1f}" height="22" fill="{colour}"/>',
            f'<path d="M{left:.1f} {top + 11}H{right:.1f}" stroke="{_TEXT}"/>',
            _text(right + 8, top + 16, f"{row.median:.1f} s"),
        ]
    for row in table.rows:
        if row.name == table.ours and "/ limit" in row.more:
            limit = row.median / row.more["/ limit"]
            x = 180 + limit * scale
            parts.append(f'<path d="M{x:.1f} 30V{height - 20}" stroke="{_LIMIT}" stroke-dasharray="4 3"/>')
            parts.append(_text(x + 4, height - 8, f"limit {limit:.1f} s", _LIMIT))
    return _svg(height, parts)


def growth(tables: Sequence[Table]) -> str:
    """Seconds and peak memory against the size, both axes as logarithms: what grows with the size is a slope of one."""
    found: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for table in tables:
        case, _, what = table.title.removeprefix("A push that grows: ").rpartition(", ")
        found.setdefault(what, {})[case] = [
            (
                float(re.sub(r"[^\d].*", "", row.name.replace(",", ""))),
                row.median,
                max(run.peak or 0 for run in row.runs),
            )
            for row in table.rows
        ]
    names = [*dict.fromkeys(case for cases in found.values() for case in cases)]
    coloured = list(zip(names, _COLOURS[: len(names)], strict=True))
    parts = [_text(10 + 150 * at, 20, name, colour, bold=True) for at, (name, colour) in enumerate(coloured)]
    for line, (what, cases) in enumerate(found.items()):
        for column, (title, index) in enumerate((("seconds", 1), ("peak MiB", 2))):
            lines = {case: [(point[0], point[index]) for point in points] for case, points in cases.items()}
            parts += _curves(10 + 430 * column, 55 + 250 * line, f"{title}, by {what}", lines)
    return _svg(55 + 250 * len(found), parts)


def _curves(left: float, top: float, title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Iterator[str]:
    yield _text(left, top, title, bold=True)
    points = [point for line in lines.values() for point in line]
    wide, high, x0, y0 = 330, 170, left + 50, top + 15
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low = 10 ** math.floor(math.log10(min(y for _, y in points)))
    ceiling = 10 ** math.ceil(math.log10(max(y for _, y in points)))

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / first) / math.log(last / first) if last > first else 0.5
        return x0 + wide * across, y0 + high * (1 - math.log(y / low) / math.log(ceiling / low))

    value = float(low)
    while value <= ceiling:
        y = place(first, value)[1]
        yield f'<path d="M{x0} {y:.1f}H{x0 + wide}" stroke="{_TEXT}" stroke-opacity="0.3"/>'
        yield _text(x0 - 6, y + 4, f"{value:g}", end=True)
        value *= 10
    for x in sorted({x for x, _ in points}):
        yield _text(place(x, low)[0], y0 + high + 18, f"{x:,.0f}", middle=True)
    for colour, line in zip(_COLOURS, lines.values(), strict=False):
        drawn = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in line)
        yield f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for point in line:
            x, y = place(*point)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _text(
    x: float, y: float, text: str, colour: str = _TEXT, *, bold: bool = False, end: bool = False, middle: bool = False
) -> str:
    more = ' font-weight="bold"' if bold else ""
    more += ' text-anchor="end"' if end else ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{more}>{text}</text>'


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}"'
    return (
        "\n".join([f'{head} height="{height:.0f}" font-family="sans-serif" font-size="13">', *parts, "</svg>"]) + "\n"
    )
