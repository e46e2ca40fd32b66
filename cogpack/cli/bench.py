"""`cogpack bench pull` for people: what was measured, what follows, and why."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session
from cogpack.errors import InputError

if TYPE_CHECKING:
    from cogpack.commands.bench import OtherLayout, PullBench
    from cogpack.session import Session


def bench_pull(arguments: argparse.Namespace) -> None:
    from cogpack.commands.bench import ENGINE_NAMES, bench_pull

    if arguments.engine not in (None, *ENGINE_NAMES):
        raise InputError(f"--engine {arguments.engine}: unknown", next_step=f"name one of {', '.join(ENGINE_NAMES)}")

    def act(session: "Session") -> Answer:
        found = bench_pull(
            session,
            arguments.target,
            platform=arguments.platform,
            engine=arguments.engine,
            room=arguments.budget,
        )
        if arguments.html:
            from cogpack.cli.bench_page import bench_page
            from cogpack.disk import write_whole
            from cogpack.redaction import redact_result

            write_whole(arguments.html, [redact_result(bench_page(found)).encode()])
        return Answer(found, "\n".join(_lines(found)))

    with_session(arguments, act)


def _lines(found: "PullBench") -> Iterator[str]:
    from cogpack.cli.bench_text import machine_text, network_text, verdict
    from cogpack.text import count_text, size_text, time_text

    weights = sum(layer.size for layer in found.layers if layer.weights)
    yield found.reference
    yield f"{size_text(found.size)} in {count_text(len(found.layers), 'layer')}, {size_text(weights)} of them weights"
    yield ""
    yield f"network  {network_text(found)}"
    yield from _columns(
        ["connections", *(str(lane.connections) for lane in found.network.lanes)],
        ["MB/s", *(f"{lane.rate / 1e6:.1f}" for lane in found.network.lanes)],
    )
    yield f"machine  {machine_text(found)}"
    yield ""
    measured = {pull.client: pull for pull in found.measured}
    rows = [["pull by", "calculated", "measured", "held up by"]]
    for pull in found.pulls:
        made = measured.get(pull.client)
        told = f"{time_text(made.seconds)} ({100 * made.error:+.0f} %)" if made else ""
        rows.append([pull.client, time_text(pull.seconds), told, pull.wall or ""])
    rows.append(["limit", time_text(found.limit), "", ""])
    yield from _columns(*rows)
    if found.layouts:
        yield ""
        yield from _columns(
            [f"the same weights, by {found.pulls[0].client}", "layers", "bytes", "calculated", "held up by"],
            *(_layout(layout) for layout in found.layouts),
        )
    for why in found.unmeasured:
        yield f"not measured: {why}"
    yield ""
    yield verdict(found)


def _layout(layout: "OtherLayout") -> list[str]:
    from cogpack.text import size_text, time_text

    return [layout.name, str(layout.layers), size_text(layout.size), time_text(layout.seconds), layout.wall or ""]


def _columns(*rows: Sequence[str]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()
