"""`cogpack plan --html`: one page with the image that a project would be, drawn, and what would move."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.cli.image_drawn import DrawnLayer, draw_changes, draw_moved, list_layers
from cogpack.cli.plan_text import layer_size, sum_text, verdict
from cogpack.cli.summary import some_platforms
from cogpack.notes import Note
from cogpack.pages.elements import Html, element, joined
from cogpack.pages.form import read_form
from cogpack.pages.model_page import PORT, ModelShown, model_page
from cogpack.pages.parts import Column, Section, table, told
from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.commands.plan import Planned, PlannedLayer, PlannedStep

_MOST_FILES = 1000
"""Files of the project that are listed; more are told as a number."""


def planned_page(planned: "Planned", *, name: str, targets: Sequence[str], notes: Sequence[Note]) -> str:
    """Make the page. `name`: of the project; `targets`: what was asked what it has."""
    asked = any(verdict(layer) for layer in planned.layers)
    drawn = [_drawn(layer, planned.layers) for layer in planned.layers]
    platforms = tuple(dict.fromkeys(platform for layer in planned.layers for platform in layer.platforms))
    facts = [("push" if asked else "size", sum_text(planned.layers))]
    facts += [("to", ", ".join(targets))] if targets else []
    facts += [("platform" if len(platforms) == 1 else "platforms", ", ".join(platforms))] if platforms else []
    facts += [("notes", str(len(notes)))] if notes else []
    above = []
    for platform in platforms or ("",):
        of = [
            (layer, one)
            for layer, one in zip(planned.layers, drawn, strict=True)
            if platform in layer.platforms or not platform
        ]
        beside = f", {platform}" if len(platforms) > 1 else ""
        its = [one for _, one in of]
        above.append(Section(f"The image{beside}", draw_changes(its)))
        moved = (_moved if asked else _known)([layer for layer, _ in of])
        above.append(Section(f"What moves{beside}", joined(moved)))
        above.append(Section(f"Layers{beside}", list_layers(its)))
    below = []
    if planned.steps:
        below.append(Section("Steps of build.run", joined(_steps(planned))))
    if planned.weights:
        below.append(Section("Weights", _weights(planned)))
    if planned.files:
        below.append(Section("Files of the project", joined(_files(planned))))
    if notes:
        below.append(Section("Notes", _notes(notes)))
    shown = ModelShown(
        name=name,
        form=read_form(msgspec.json.encode(planned.schema).decode()),
        server=f"http://127.0.0.1:{PORT}",
        reference="",
        runs=False,
    )
    return model_page("plan", shown, facts, above=above, below=below)


def _drawn(layer: "PlannedLayer", layers: "Sequence[PlannedLayer]") -> DrawnLayer:
    said = [*([layer.compression] if layer.compression else []), *some_platforms(layer, layers)]
    return DrawnLayer(
        name=layer.name,
        size=layer.size or layer.about or 0,
        size_told=layer_size(layer),
        digest=layer.digest or "",
        said="; ".join(said),
        verdict=verdict(layer),
        items=layer.items,
    )


def _moved(layers: "Sequence[PlannedLayer]") -> Iterator[Html]:
    """Tell what a push does with all bytes, and what a pull by who has the image that the tags name now."""
    sent = [layer for layer in layers if layer.moves and not layer.mounts]
    mounted = [layer for layer in layers if layer.mounts]
    there = [layer for layer in layers if layer.moves is False]
    rows = [_row("moves", "A push sends", sent)]
    rows += [_row("mounts", "A push mounts", mounted, ", if the registry lets them")] if mounted else []
    rows += [_row("there", "The registry has", there)] if there else []
    if any(layer.tagged is not None for layer in layers):
        lacking = [at for at, layer in enumerate(layers) if not layer.tagged]
        above = layers[lacking[0] :] if lacking else []
        new = [layers[at] for at in lacking]
        rows.append(_row("moves", "A pull by containerd or podman brings", new, ", over the image of the tag now"))
        rows.append(_row("moves", "A pull by Docker's own store brings", above, ", all from the lowest new one up"))
    yield draw_moved("what moves", rows, _bytes(layers))
    yield from _unbuilt(layers)


def _known(layers: "Sequence[PlannedLayer]") -> Iterator[Html]:
    """Tell what is known of the layers where no registry says what it has."""
    told_by = sorted({layer.vouched for layer in layers if layer.vouched})
    known = [layer for layer in layers if layer.digest]
    rows = [_row("there", "Known", known, f", by {' and '.join(told_by)}" if told_by else "")] if known else []
    unknown = [layer for layer in layers if not layer.digest]
    rows += [_row("moves", "To be made, or read", unknown)] if unknown else []
    yield draw_moved("what is known", rows, _bytes(layers))
    yield told("No registry was asked what it has: cogpack plan HOST/NAME --html FILE tells what a push there moves.")
    yield from _unbuilt(layers)


def _row(kind: str, what: str, layers: "Sequence[PlannedLayer]", more: str = "") -> tuple[str, str, str, int]:
    return kind, what, f"{count_text(len(layers), 'layer')}{more}", _bytes(layers)


def _bytes(layers: "Sequence[PlannedLayer]") -> int:
    return sum(layer.size or layer.about or 0 for layer in layers)


def _unbuilt(layers: "Sequence[PlannedLayer]") -> Iterator[Html]:
    if any(layer.moves is not False and layer.size is None for layer in layers):
        yield told("Layers that are not built yet count as the packages that they are made of.")


def _steps(planned: "Planned") -> Iterator[Html]:
    columns = (Column("", "number"), Column("Command", "long"), Column("What becomes of it", "long"))
    rows = [
        (str(number), element("pre", step.command.strip(), class_="mono"), joined(_told(step)))
        for number, step in enumerate(planned.steps, 1)
    ]
    yield table("steps of build.run", columns, rows)
    if planned.isolation:
        yield told(planned.isolation)
    if planned.laid and planned.laying is not None:
        room, time = size_text(planned.laid), time_text(planned.laying)
        yield told(f"The files that they see take about {room} in the cache while they run, and {time} to lay there.")


def _told(step: "PlannedStep") -> Iterator[str]:
    if step.platform:
        yield f"{step.platform}: "
    if step.impossible:
        yield element("b", "impossible")
        yield f": {step.impossible}"
    elif step.known:
        yield element("b", "not run")
        yield f": {'; '.join(step.effect) or 'changes nothing'}"
    else:
        yield element("b", "run")
        yield f": {step.sandboxed}" if step.sandboxed else ""


def _weights(planned: "Planned") -> Html:
    columns = (Column("File", "long"), Column("Split"), Column("Why", "long"), Column("Size", "number"))
    rows = [
        (
            joined([weight.path, *(told(f"or {other}") for other in weight.others)]),
            weight.rule,
            weight.why + (f"; equal to {weight.equal_to}, stored once" if weight.equal_to else ""),
            size_text(weight.size),
        )
        for weight in planned.weights
    ]
    return table("weights", columns, rows)


def _files(planned: "Planned") -> Iterator[Html]:
    files = sorted(planned.files or (), key=lambda file: -file.size)
    rows = [
        (f"{file.path} -> {file.target}" if file.target is not None else file.path, size_text(file.size))
        for file in files[:_MOST_FILES]
    ]
    yield table("files", (Column("Path", "long"), Column("Size", "number")), rows)
    if rest := files[_MOST_FILES:]:
        yield told(f"and {count_text(len(rest), 'smaller file')}, {size_text(sum(file.size for file in rest))}")


def _notes(notes: Sequence[Note]) -> Html:
    return element("ul", *(element("li", note.text, " ", element("code", f"[{note.code}]")) for note in notes))
