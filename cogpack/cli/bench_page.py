"""`cogpack bench pull --html`: one page with what was measured, plotted, for who has never seen it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cogpack.cli.bench_plots import Line, Stretch, bars, rates, row, sizes, timeline
from cogpack.cli.bench_text import machine_text, network_text, verdict
from cogpack.pages.elements import Html, joined
from cogpack.pages.model_page import facts_page
from cogpack.pages.parts import section, told
from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.bench.model import Pull, Span
    from cogpack.commands.bench import OtherLayout, PullBench


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
            told("Calculated from what was measured; where a pull was made, too, its time stands beside."),
            _pulls(found),
        ),
        section(
            "What the registry brings",
            told(
                "Megabytes a second of so many connections together. A stock engine opens one a layer, three at a "
                "time, or six."
            ),
            rates(found.network.lanes),
        ),
        section(
            f"{here.client}, layer by layer",
            told("Pale: the layer comes. Full: it is unpacked, which waits for all below it."),
            timeline([_line(span) for span in here.spans], here.seconds),
        ),
    ]
    if found.layouts:
        said = told(f"What {here.client} would take here.")
        sections.append(section("The same weights in other layers", said, _layouts(found.layouts, here)))
    sections.append(section("Layers by size", sizes((layer.name, layer.form, layer.size) for layer in found.layers)))
    return facts_page("bench pull", found.reference, facts, sections)


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
        rows.append(row(pull.client, wall, pull.seconds, most, "layer-weights"))
        if made:
            off = f"{100 * made.error:+.0f} % is the calculation's error"
            rows.append(row(f"{pull.client}, measured", off, made.seconds, most, "layer-run"))
    rows.append(row("limit", "what no client can beat here", found.limit, most, "layer-other"))
    return joined([bars(rows), *(told(f"Not measured: {why}") for why in found.unmeasured)])


def _layouts(layouts: "Sequence[OtherLayout]", here: "Pull") -> Html:
    most = max(here.seconds, *(layout.seconds for layout in layouts))
    rows = [row("as it is", count_text(here.layers, "layer"), here.seconds, most, "layer-run")]
    for layout in layouts:
        said = f"{count_text(layout.layers, 'layer')}, {size_text(layout.size)}"
        rows.append(row(layout.name, said, layout.seconds, most, "layer-weights"))
    return bars(rows)


def _line(span: "Span") -> Line:
    said = f"{span.name}, {size_text(span.size)}: came at {time_text(span.came)}, unpacked at {time_text(span.done)}"
    stretches = (Stretch(span.asked, span.came, "comes"), Stretch(span.begun, span.done, "unpacks"))
    return Line(said, span.weights, stretches)
