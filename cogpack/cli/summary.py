"""This module says what a command did, in one line, and what one would do next."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogpack.commands.plan import PlannedLayer
    from cogpack.commands.results import ImageLayer
    from cogpack.session import Session


def moved_text(verb: str, size: int, seconds: float, *, requests: int | None = None) -> str:
    """Write `sent 165.5 MB in 10 requests and 12 s, 13.8 MB/s`."""
    from cogpack.text import count_text, size_text, time_text

    took = time_text(seconds)
    if not size:
        return f"{verb} nothing, in {took}"
    asked = f"{count_text(requests, 'request')} and " if requests is not None else ""
    return f"{verb} {size_text(size)} in {asked}{took}, {size_text(size / max(seconds, 0.001))}/s"


def built_text(layers: "Sequence[ImageLayer]", seconds: float) -> str:
    """Write `built 14 layers in 12 s, 2 of them were there`."""
    from cogpack.text import count_text, time_text

    there = sum(not layer.sent for layer in layers)
    return f"built {count_text(len(layers), 'layer')} in {time_text(seconds)}" + (
        f", {there} of them {'was' if there == 1 else 'were'} there" if there else ""
    )


def some_platforms(layer: "PlannedLayer", layers: "Sequence[PlannedLayer]") -> Sequence[str]:
    """Name the platforms that have it, where others do not."""
    return () if all(set(one.platforms) <= set(layer.platforms) for one in layers) else layer.platforms


def suggest(arguments: argparse.Namespace, session: "Session", command: str) -> None:
    """Show the next command, where a person looks on."""
    if arguments.watched:
        session.progress.summary(f"next: {command}")
