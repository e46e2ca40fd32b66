"""`cogpack inspect --html`: one page with an image that is there, drawn, and the form of its model."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.cli.image_drawn import DrawnLayer, draw_changes, draw_moved, list_layers
from cogpack.comparing.packages import frozen_packages
from cogpack.images.address import Address
from cogpack.pages.elements import Html
from cogpack.pages.form import read_form
from cogpack.pages.model_page import PORT, ModelShown, model_page
from cogpack.pages.parts import Column, Section, code, folded, listed, pairs, table
from cogpack.reference import names_registry
from cogpack.runtime.contract import CONFIG_LABEL, FREEZE_LABEL, SCHEMA_LABEL
from cogpack.runtime.labelled_schema import wants_gpu
from cogpack.text import count_text, size_text

if TYPE_CHECKING:
    from cogpack.commands.inspect import Inspected, Referrer


def inspected_page(found: "Inspected", origins: Sequence[str], others: "Sequence[Inspected]" = ()) -> str:
    """Make the page. `origins`: of its layers, as the text has them; `others`: the index's images for other
    platforms."""
    facts = [("digest", str(found.digest))]
    facts += [("index", str(found.index))] if found.index else []
    facts += [("platform", found.platform)] if found.platform else []
    facts.append(("size", f"{size_text(found.size)} in {count_text(len(found.layers), 'layer')}"))
    drawn = [
        DrawnLayer(
            name=layer.name or "layer",
            size=layer.size,
            size_told=size_text(layer.size),
            digest=layer.digest,
            said=origin,
            items=layer.items,
        )
        for layer, origin in zip(found.layers, origins, strict=True)
    ]
    schema = found.labels.get(SCHEMA_LABEL)
    labels = {name: value for name, value in found.labels.items() if name != SCHEMA_LABEL}
    frozen = frozen_packages(found.labels.get(FREEZE_LABEL, ""))
    known = any(item.kind == "wheel" for layer in found.layers for item in layer.items)
    above = [
        Section("The image", draw_changes(drawn)),
        Section("What moves", draw_moved("what moves", list(_moved(found)), found.size)),
        Section("Layers", list_layers(drawn)),
    ]
    if frozen and not known:
        above.append(Section("Python packages", listed(frozen.items())))
    if others:
        above.append(Section("Platforms", _platforms(found, others)))
    if found.platform:
        above.append(Section("Run it", code(_how(found))))
    below = []
    if found.environment:
        below.append(Section("Environment", code("\n".join(found.environment))))
    if labels:
        below.append(Section("Labels", pairs(labels)))
    if found.referrers:
        below.append(Section("Attached", _attached(found.referrers)))
    if schema:
        below.append(Section("Schema", folded("OpenAPI document", code(_pretty(schema)))))
    shown = ModelShown(
        name=found.reference,
        form=read_form(schema),
        server=f"http://127.0.0.1:{PORT}",
        reference=found.reference,
        runs=False,
    )
    return model_page("inspect", shown, facts, above=above, below=below)


def _moved(found: "Inspected") -> Iterator[tuple[str, str, str, int]]:
    """Tell what a pull brings, and what other repositories have of it that this machine knows."""
    yield "moves", "A pull brings", f"{count_text(len(found.layers), 'layer')}, by who has none of them", found.size
    if found.layers:
        largest = max(found.layers, key=lambda layer: layer.size)
        said = "the largest layer; stock engines open one connection a layer"
        yield "moves", "of it over one connection", said, largest.size
    homes: dict[str, dict[str, int]] = {}
    for layer in found.layers:
        for home in layer.repositories:
            homes.setdefault(home, {})[layer.digest] = layer.size
    for home, blobs in sorted(homes.items(), key=lambda one: (-sum(one[1].values()), one[0])):
        yield "there", f"{home} has", f"{count_text(len(blobs), 'layer')}, as this machine knows", sum(blobs.values())


def _platforms(found: "Inspected", others: "Sequence[Inspected]") -> Html:
    own = {layer.digest: layer.size for layer in found.layers}
    rows = []
    for one in (found, *others):
        blobs = {layer.digest: layer.size for layer in one.layers}
        shared = sum(size for digest, size in blobs.items() if digest in own)
        rows.append(
            (
                one.platform + (" (this page)" if one is found else ""),
                str(len(one.layers)),
                size_text(one.size),
                "" if one is found else size_text(shared),
                one.digest.removeprefix("sha256:")[:12],
            )
        )
    columns = (
        Column("Platform", "long"),
        Column("Layers", "number"),
        Column("Size", "number"),
        Column(f"Shared with {found.platform}", "number"),
        Column("Digest", "digest"),
    )
    return table("platforms", columns, rows)


def _attached(referrers: "Sequence[Referrer]") -> Html:
    columns = (Column("Type", "long"), Column("Size", "number"), Column("Digest", "digest"))
    rows = [
        (one.artifact_type or "unknown", size_text(one.size), one.digest.removeprefix("sha256:")[:12])
        for one in referrers
    ]
    return table("attached", columns, rows)


def _how(found: "Inspected") -> str:
    """Write how it is started, here and by Docker; GPUs as its config label asks for them."""
    name = found.reference
    lines = [f"cogpack serve {name} -p {PORT} --playground"]
    if names_registry(name) and Address.parse(name).reference:  # a layout's begins as one, too: ./DIR
        gpus = " --gpus all" if wants_gpu(found.labels.get(CONFIG_LABEL)) else ""
        lines.append(f"docker run --rm -p {PORT}:5000{gpus} {name}")
    return "\n".join(lines)


def _pretty(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.MsgspecError:
        return text
