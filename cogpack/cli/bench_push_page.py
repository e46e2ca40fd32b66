"""`cogpack bench push --html`: one page with what was measured, plotted, for who has never seen it."""

from typing import TYPE_CHECKING

from cogpack.cli.bench_plots import Line, Stretch, bars, rates, row, sizes, timeline
from cogpack.cli.bench_push_text import (
    finishing_text,
    left_lines,
    machine_text,
    network_text,
    shapes_text,
    verdict,
    what_text,
)
from cogpack.pages.elements import Html, joined
from cogpack.pages.model_page import facts_page
from cogpack.pages.parts import section, told
from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.bench.push_model import PushSpan
    from cogpack.commands.bench_push import PushBench


def bench_push_page(found: "PushBench") -> str:
    """Make the page."""
    push = found.push
    facts = [
        ("verdict", verdict(found)),
        ("what", what_text(found)),
        ("network", network_text(found)),
        ("bodies", shapes_text(found)),
        ("end of a layer", finishing_text(found)),
        ("machine", machine_text(found)),
        *(("left", line) for line in left_lines(found)),
    ]
    reading = f" It begins after {time_text(push.reading)} of reading." if push.reading >= 0.05 else ""
    sections = [
        section(
            "How long a push takes",
            told("Calculated from what was measured; a rehearsal stands beside, whose uploads were cancelled."),
            _pushes(found),
        ),
        section(
            "What the registry takes",
            told(
                "Megabytes a second of so many connections together. A push opens one a layer, "
                f"{count_text(push.jobs, 'layer')} at a time."
            ),
            rates(found.uploads.lanes),
        ),
        section(
            "Layer by layer",
            told(f"Pale: the layer goes. Full: the registry makes a blob of it.{reading}"),
            timeline([_line(span) for span in push.spans], push.seconds),
        ),
        section("With other numbers of layers at a time", told("What -j would change."), _jobs(found)),
        section("Layers by size", sizes((layer.name, layer.making, layer.size) for layer in found.layers)),
    ]
    return facts_page("bench push", found.repository, facts, sections)


def _pushes(found: "PushBench") -> Html:
    push, measured = found.push, found.measured
    most = max(found.limit, push.seconds, measured.seconds if measured else 0.0)
    wall = f"held up by: {push.wall}" if push.wall else ""
    rows = [row("cogpack push", wall, push.seconds, most, "layer-weights")]
    if measured:
        off = f"without the ends of layers, for which {time_text(measured.calculated)} were calculated: "
        off += f"{100 * measured.error:+.0f} %"
        rows.append(row("rehearsed", off, measured.seconds, most, "layer-run"))
    rows.append(row("limit", "what no client can beat here", found.limit, most, "layer-other"))
    return joined([bars(rows), *(told(f"Not rehearsed: {why}") for why in found.unmeasured)])


def _jobs(found: "PushBench") -> Html:
    most = max(other.seconds for other in found.jobs)
    return bars(
        [
            row(f"-j {other.jobs}", f"held up by: {other.wall}" if other.wall else "", other.seconds, most, kind)
            for other in found.jobs
            for kind in ("layer-run" if other.jobs == found.push.jobs else "layer-weights",)
        ]
    )


def _line(span: "PushSpan") -> Line:
    said = f"{span.name}, {size_text(span.size)}: gone at {time_text(span.sent)}, a blob at {time_text(span.done)}"
    return Line(said, span.weights, (Stretch(span.begun, span.sent, "comes"), Stretch(span.sent, span.done, "unpacks")))
