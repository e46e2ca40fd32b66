"""This module tells people in a page, one file in the style of the playground: `inspect --html`, `plan --html`."""

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cogpack.cli.running import Answer
from cogpack.cli.summary import some_platforms
from cogpack.errors import InputError
from cogpack.notes import Note
from cogpack.pages.elements import Html, element, joined, section
from cogpack.pages.form import read_form
from cogpack.pages.model_page import ModelShown, header, model_page
from cogpack.pages.page import page
from cogpack.reference import names_registry
from cogpack.runtime.contract import CONFIG_LABEL, SCHEMA_LABEL
from cogpack.runtime.labelled_schema import wants_gpu
from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.commands.inspect import Inspected
    from cogpack.commands.plan import Planned, PlannedStep, PlannedWeight

_PORT = 5000
"""Of the server, in the calls of a page of an image that nobody has started."""
_LONG = 600
"""Characters of a label from which on it is shown when it is asked for."""
_KINDS = frozenset({"debian", "base", "venv", "wheels", "weights", "run", "project"})
"""What layers' names begin with, and the style has a colour for."""


class Row(NamedTuple):
    """Is a layer in a table. `said`: what is told of it below its name; `size`: bytes, 0 where nobody knows."""

    name: str
    said: str
    cells: tuple[str, ...]
    size: int
    size_told: str
    digest: str


def answer(arguments: argparse.Namespace, text: str) -> Answer:
    """Write a page where it was asked for: into the file, or to standard output."""
    from cogpack.disk import write_whole
    from cogpack.redaction import redact_result

    text = redact_result(text)
    if arguments.output is None:
        return Answer(None, text.rstrip("\n"))
    write_whole(arguments.output, [text.encode("utf-8", "replace")])
    return Answer(None, str(arguments.output))


def asked(arguments: argparse.Namespace) -> bool:
    """Tell whether a page is asked for; an `InputError` where it is with what else it can't be."""
    html: bool = getattr(arguments, "html", False)
    if html and arguments.json:
        raise InputError("--html and --json are two forms of the same", next_step="leave out one of them")
    if not html and getattr(arguments, "output", None) is not None:
        raise InputError("-o names the file of a page, and none is asked for", next_step="add --html")
    return html


def inspected_page(found: "Inspected", origins: Sequence[str]) -> str:
    """Tell of an image, with the form of its model. `origins`: of its layers, as the text has them."""
    facts = [("digest", str(found.digest))]
    if found.index:
        facts.append(("index", f"{found.index} ({', '.join(found.platforms)})"))
    if found.platform:
        facts.append(("platform", found.platform))
    facts.append(("size", f"{size_text(found.size)} in {count_text(len(found.layers), 'layer')}"))
    rows = [
        Row(layer.name or "layer", origin, (), layer.size, size_text(layer.size), layer.digest)
        for layer, origin in zip(found.layers, origins, strict=True)
    ]
    schema = found.labels.get(SCHEMA_LABEL)
    form = read_form(schema)
    labels = {name: value for name, value in found.labels.items() if name != SCHEMA_LABEL}
    sections = [
        section("Run it", element("pre", _how(found), class_="code", tabindex="0")) if found.platform else "",
        section("Layers", _layers(rows, ("Size",))),
        section("Environment", _lines(found.environment)) if found.environment else "",
        section("Labels", _pairs(labels)) if labels else "",
        section("Schema", _folded("OpenAPI document", _pretty(schema))) if schema else "",
    ]
    shown = ModelShown(
        name=found.reference,
        form=form,
        server=f"http://127.0.0.1:{_PORT}",
        reference=found.reference,
        runs=False,
    )
    if form:
        return model_page("inspect", shown, facts, *sections)
    return page(
        found.reference, header("cogpack inspect", found.reference, facts), element("main", *sections, class_="stack")
    )


def planned_page(
    planned: "Planned", *, name: str, targets: Sequence[str], total: str, verdicts: Sequence[str], notes: Sequence[Note]
) -> str:
    """Tell of what a project would be. `total`, `verdicts`: as the text has them, of all layers and of each."""
    rows = [
        Row(
            layer.name,
            "; ".join([*([layer.compression] if layer.compression else []), *some_platforms(layer, planned.layers)]),
            (verdict,),
            layer.size or layer.about or 0,
            size_text(layer.size)
            if layer.size is not None
            else f"about {size_text(layer.about or 0)}"
            if layer.about
            else "not built yet",
            layer.digest or "",
        )
        for layer, verdict in zip(planned.layers, verdicts, strict=True)
    ]
    facts = [("push" if any(verdicts) else "size", total), *([("to", ", ".join(targets))] if targets else [])]
    sections = [
        section("Layers", _layers(rows, ("Push", "Size") if any(verdicts) else ("", "Size"))),
        section("Steps of build.run", *_steps(planned)) if planned.steps else "",
        section("Weights", _weights(planned.weights)) if planned.weights else "",
        section("Files of the project", _files(planned)) if planned.files else "",
        section(
            "Notes",
            element("ul", *(element("li", note.text, " ", element("code", f"[{note.code}]")) for note in notes)),
        )
        if notes
        else "",
    ]
    return page(f"{name} - plan", header("cogpack plan", name, facts), element("main", *sections, class_="stack"))


def _how(found: "Inspected") -> str:
    """Write how it is started, here and by Docker; GPUs as its config label asks for them."""
    name = found.reference
    lines = [f"cogpack serve {name} -p {_PORT} --playground"]
    if names_registry(name):
        gpus = " --gpus all" if wants_gpu(found.labels.get(CONFIG_LABEL)) else ""
        lines.append(f"docker run --rm -p {_PORT}:5000{gpus} {name}")
    return "\n".join(lines)


def _kind(name: str) -> str:
    word = name.partition(":")[0].partition(" ")[0]
    return f"layer-{word}" if word in _KINDS else "layer-other"


def _layers(rows: Sequence[Row], columns: Sequence[str]) -> Html:
    """Draw the layers, each as wide as it is large, and list them."""
    total = sum(row.size for row in rows) or 1
    place, parts = 0.0, []
    for row in rows:
        width = 100 * row.size / total
        title = element("title", f"{row.name}, {row.size_told}")
        parts.append(
            element("rect", title, class_=_kind(row.name), x=f"{place:.3f}%", width=f"{width:.3f}%", height="100%")
        )
        place += width
    bar = element("svg", *parts, class_="bar", role="img", aria_label="the layers, each as wide as it is large")
    head = [element("th", "Layer", scope="col")]
    head += [
        element("th", column, scope="col", class_="number" if column == "Size" else False)
        for column in columns
        if column
    ]
    head.append(element("th", "Digest", scope="col", class_="digest"))
    body = []
    for row in rows:
        name = element("span", class_=f"swatch {_kind(row.name)}"), row.name
        said = element("p", row.said, class_="description") if row.said else ""
        cells = [element("td", *name, said, class_="long")]
        cells += [element("td", cell) for cell in row.cells if any(columns[:1])]
        cells.append(element("td", row.size_told, class_="number"))
        cells.append(element("td", row.digest.removeprefix("sha256:")[:12], class_="digest", title=row.digest or False))
        body.append(element("tr", *cells))
    return joined([bar, _table(head, body, "layers")])


def _table(head: Sequence[Html], body: Sequence[Html], name: str = "rows") -> Html:
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body), class_=name)
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=name)


def _steps(planned: "Planned") -> Iterable[Html]:
    body = [
        element(
            "tr",
            element("td", str(number), class_="number"),
            element("td", element("pre", step.command.strip(), class_="mono"), class_="long"),
            element("td", *_told(step), class_="long"),
        )
        for number, step in enumerate(planned.steps, 1)
    ]
    yield _table([element("th", title, scope="col") for title in ("", "Command", "What becomes of it")], body)
    if planned.isolation:
        yield element("p", planned.isolation, class_="description")
    if planned.laid and planned.laying is not None:
        room, time = size_text(planned.laid), time_text(planned.laying)
        text = f"The files that they see take about {room} in the cache while they run, and {time} to lay there."
        yield element("p", text, class_="description")


def _told(step: "PlannedStep") -> Iterable[str]:
    if step.platform:
        yield f"{step.platform}: "
    yield from _told_alone(step)


def _told_alone(step: "PlannedStep") -> Iterable[str]:
    if step.impossible:
        return element("b", "impossible"), f": {step.impossible}"
    if step.known:
        return element("b", "not run"), f": {'; '.join(step.effect) or 'changes nothing'}"
    return element("b", "run"), f": {step.sandboxed}" if step.sandboxed else ""


def _weights(weights: "Sequence[PlannedWeight]") -> Html:
    body = [
        element(
            "tr",
            element(
                "td",
                weight.path,
                *(element("p", f"or {other}", class_="description") for other in weight.others),
                class_="long",
            ),
            element("td", weight.rule),
            element(
                "td", weight.why, f"; equal to {weight.equal_to}, stored once" if weight.equal_to else "", class_="long"
            ),
            element("td", size_text(weight.size), class_="number"),
        )
        for weight in weights
    ]
    head = [element("th", title, scope="col") for title in ("File", "Split", "Why")]
    return _table([*head, element("th", "Size", scope="col", class_="number")], body)


def _files(planned: "Planned") -> Html:
    body = [
        element(
            "tr",
            element("td", file.path, f" -> {file.target}" if file.target is not None else "", class_="long"),
            element("td", size_text(file.size), class_="number"),
        )
        for file in planned.files or ()
    ]
    return _table([element("th", "Path", scope="col"), element("th", "Size", scope="col", class_="number")], body)


def _lines(lines: Sequence[str]) -> Html:
    return element("pre", "\n".join(lines), class_="code", tabindex="0")


def _pairs(pairs: dict[str, str]) -> Html:
    def shown(value: str) -> str:
        return value if len(value) < _LONG else _folded(count_text(len(value.splitlines()), "line"), value)

    rows = (element("div", element("dt", name), element("dd", shown(value))) for name, value in pairs.items())
    return element("dl", *rows, class_="pairs")


def _folded(title: str, text: str) -> Html:
    return element("details", element("summary", title), element("pre", text, class_="code", tabindex="0"))


def _pretty(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.MsgspecError:
        return text
