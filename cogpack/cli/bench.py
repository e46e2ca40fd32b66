"""`cogpack bench` for people: what was measured, what follows, and why."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session
from cogpack.errors import InputError

if TYPE_CHECKING:
    from cogpack.bench.lanes import Lane
    from cogpack.commands.bench import OtherLayout, PullBench
    from cogpack.commands.bench_push import PushBench
    from cogpack.session import Session


def bench_pull(arguments: argparse.Namespace) -> None:
    from cogpack.commands.bench import ENGINE_NAMES, bench_pull
    from cogpack.text import lines

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
            from cogpack.pages.page import write_page

            write_page(arguments.html, bench_page(found))
        return Answer(found, lines(_pull_lines(found)))

    with_session(arguments, act)


def bench_push(arguments: argparse.Namespace) -> None:
    from cogpack.commands.bench_push import bench_push
    from cogpack.text import lines

    def act(session: "Session") -> Answer:
        found = bench_push(session, arguments.target, room=arguments.budget, commit=arguments.commit)
        if arguments.html:
            from cogpack.cli.bench_push_page import bench_push_page
            from cogpack.pages.page import write_page

            write_page(arguments.html, bench_push_page(found))
        return Answer(found, lines(_push_lines(found)))

    with_session(arguments, act)


def _pull_lines(found: "PullBench") -> Iterator[str]:
    from cogpack.cli.bench_text import machine_text, network_text, verdict
    from cogpack.text import count_text, size_text, time_text

    weights = sum(layer.size for layer in found.layers if layer.weights)
    yield found.reference
    yield f"{size_text(found.size)} in {count_text(len(found.layers), 'layer')}, {size_text(weights)} of them weights"
    yield ""
    yield f"network  {network_text(found)}"
    yield from _rates(found.network.lanes)
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


def _push_lines(found: "PushBench") -> Iterator[str]:
    from cogpack.cli.bench_push_text import (
        finishing_text,
        left_lines,
        machine_text,
        network_text,
        shapes_text,
        verdict,
        what_text,
    )
    from cogpack.text import time_text

    yield found.repository
    yield what_text(found)
    yield ""
    yield f"network  {network_text(found)}"
    yield f"bodies   {shapes_text(found)}"
    yield f"the end of a layer  {finishing_text(found)}"
    yield from _rates(found.uploads.lanes)
    yield f"machine  {machine_text(found)}"
    yield ""
    rows = [["push by", "calculated", "held up by"]]
    rows += [[f"-j {other.jobs}", time_text(other.seconds), other.wall or ""] for other in found.jobs]
    rows.append(["limit", time_text(found.limit), ""])
    yield from _columns(*rows)
    yield ""
    if made := found.measured:
        told = f"{time_text(made.seconds)}; calculated {time_text(made.calculated)} ({100 * made.error:+.0f} %)"
        yield f"rehearsed by -j {found.push.jobs}, without the ends of layers: {told}"
    for why in found.unmeasured:
        yield f"not rehearsed: {why}"
    yield from left_lines(found)
    yield verdict(found)


def _layout(layout: "OtherLayout") -> list[str]:
    from cogpack.text import size_text, time_text

    return [layout.name, str(layout.layers), size_text(layout.size), time_text(layout.seconds), layout.wall or ""]


def _rates(lanes: "Sequence[Lane]") -> Iterator[str]:
    yield from _columns(
        ["connections", *(str(lane.connections) for lane in lanes)],
        ["MB/s", *(f"{lane.rate / 1e6:.1f}" for lane in lanes)],
    )


def _columns(*rows: Sequence[str]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()
