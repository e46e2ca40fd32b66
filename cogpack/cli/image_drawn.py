"""Pages draw an image: its layers by size and by how often they change, what each holds, and what moves then."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cogpack.pages.elements import Html, element, joined
from cogpack.pages.parts import Column, Share, bar, folded, listed, swatch, table, told
from cogpack.text import count_text, size_text

if TYPE_CHECKING:
    from cogpack.planning.layer_items import ItemKind, LayerItem

_MOST_ITEMS = 500
"""Things of a layer that are listed; more are told as a number."""
_NOUNS: "dict[ItemKind, str]" = {
    "package": "Debian package",
    "wheel": "wheel",
    "python": "Python",
    "clone": "clone",
    "file": "file",
}


class DrawnLayer(NamedTuple):
    """Is a layer in a drawing. `said`: what is told of it below its name; `verdict`: what a push does with it, empty
    where that is not known; `size`: bytes, 0 where nobody knows, and `size_told` as people read them."""

    name: str
    size: int
    size_told: str
    digest: str = ""
    said: str = ""
    verdict: str = ""
    items: "Sequence[LayerItem]" = ()


class _Stratum(NamedTuple):
    """Is what changes together. `kind`: a class of the style."""

    kind: str
    when: str
    why: str


_STRATA = (
    _Stratum("layer-project", "Each push", "the project's own files"),
    _Stratum("layer-run", "Lines of build.run", "what they fetch, clone and leave"),
    _Stratum("layer-small", "Requirements", "small wheels, which share a layer"),
    _Stratum("layer-weights", "Weights", "only the files that changed"),
    _Stratum("layer-wheels", "A large wheel", "each in a layer of its own, with its bytecode"),
    _Stratum("layer-packages", "Python or system packages", "the interpreter, packages of Debian"),
    _Stratum("layer-base", "The base", "when it is updated"),
)
"""From what changes most often to what hardly does: as they lie in an image, from its top."""
_OTHER = _Stratum("layer-other", "Others", "layers that cogpack did not make")
_SEEN = ("layer-small", "layer-wheels", "layer-packages", "layer-base")
"""What commands of build.run see, which are run again when it changes."""
_KINDS = {
    "project": "layer-project",
    "weights": "layer-weights",
    **dict.fromkeys(("run", "files", "clone", "fetched", "hub"), "layer-run"),
    **dict.fromkeys(("clashes", "library"), "layer-small"),
    **dict.fromkeys(("python", "venv", "package", "packages", "tools", "compiler", "apt", "dpkg"), "layer-packages"),
    **dict.fromkeys(("debian", "base"), "layer-base"),
}
"""What layers' names begin with."""


def kind_of(name: str) -> str:
    """Tell by the name of a layer with what it changes: a class of the style."""
    first, _, rest = name.partition(":")
    word = first.partition(" ")[0]
    if word == "bytecode" and rest.startswith(" Python "):
        return "layer-packages"
    if word in ("wheels", "bytecode"):
        return "layer-small" if rest.endswith(" ones") and "large" not in rest else "layer-wheels"
    return _KINDS.get(word, _OTHER.kind)


def draw_changes(layers: Sequence[DrawnLayer]) -> Html:
    """Draw the layers by how often they change, with what moves then; layers of others have no such order."""
    whole = sum(layer.size for layer in layers)
    rows = list(_changes(layers, whole))
    if not rows:
        return draw_layers(layers)
    columns = (
        Column("What changes", "long"),
        Column("Its bytes", "wide"),
        Column("A push, or a pull, then moves", "number"),
        Column("Docker's own store pulls", "number"),
    )
    return joined(
        [
            table("layers by how often they change", columns, rows, "rows strata"),
            told(
                "From what changes most often, on top, to what hardly does. A push sends the layers that changed, and "
                "containerd and podman pull these alone; Docker's own store (overlay2) pulls all above the lowest of "
                "them again. All figures are at most."
            ),
        ]
    )


def _changes(layers: Sequence[DrawnLayer], whole: int) -> Iterator[Sequence[str]]:
    if all(kind_of(layer.name) == _OTHER.kind for layer in layers):
        return
    ran = [at for at, layer in enumerate(layers) if layer.name.startswith("run:")]
    for kind, when, why in (*_STRATA, _OTHER):
        own = [at for at, layer in enumerate(layers) if kind_of(layer.name) == kind]
        if not own:
            continue
        size = sum(layers[at].size for at in own)
        moved = {*own, *(ran if kind in _SEEN else ())}
        label = f"{when}: {size_text(size)}"
        named = element("b", when), told(f"{why}, {count_text(len(own), 'layer')}")
        yield (
            joined([swatch(kind), *named]),
            joined([bar(label, [Share(kind, size)], whole), size_text(size)]),
            _total([layers[at] for at in moved]),
            _total(layers[own[0] :]),
        )


def _total(layers: Iterable[DrawnLayer]) -> str:
    known = [layer for layer in layers if layer.size]
    return size_text(sum(layer.size for layer in known)) if known else "not built yet"


def draw_layers(layers: Sequence[DrawnLayer]) -> Html:
    """Draw the layers, each as wide as it is large."""
    shares = [Share(kind_of(layer.name), layer.size, f"{layer.name}, {layer.size_told}") for layer in layers]
    whole = sum(layer.size for layer in layers)
    return bar("the layers from the lowest to the highest, each as wide as it is large", shares, whole)


def list_layers(layers: Sequence[DrawnLayer]) -> Html:
    """List them, bottom first as a manifest does, each with what it holds."""
    verdicts = any(layer.verdict for layer in layers)
    columns = [
        Column("Layer", "long"),
        *([Column("Push")] if verdicts else []),
        Column("Size", "number"),
        Column("Digest", "digest"),
    ]
    rows: list[Sequence[str]] = []
    for layer in layers:
        cells = (
            joined([swatch(kind_of(layer.name)), layer.name, told(layer.said) if layer.said else ""]),
            *([element("span", layer.verdict, class_=f"verdict {layer.verdict}")] if verdicts else []),
            layer.size_told,
            element("span", layer.digest.removeprefix("sha256:")[:12], title=layer.digest or False),
        )
        rows += [cells, *((held,) for held in _held(layer))]
    return joined([draw_layers(layers), table("layers", columns, rows, "rows layers")])


def _held(layer: DrawnLayer) -> Iterator[Html]:
    if len(layer.items) == 1 and _is_named(layer, layer.items[0]):
        return
    counts: dict[str, int] = {}
    for item in layer.items:
        noun = _NOUNS[item.kind]
        counts[noun] = counts.get(noun, 0) + 1
    if not counts:
        return
    shown = layer.items[:_MOST_ITEMS]
    rows = [
        (item.name, *([item.version] if item.version else []), *([size_text(item.size)] if item.size else []))
        for item in shown
    ]
    more = len(layer.items) - len(shown)
    yield folded(
        ", ".join(noun if noun == "Python" else count_text(count, noun) for noun, count in counts.items()),
        listed(rows),
        told(f"and {more} more") if more else "",
    )


def _is_named(layer: DrawnLayer, item: "LayerItem") -> bool:
    """Tell whether the layer's name says all of the only thing in it."""
    title = layer.name.partition(": ")[2]
    return title == f"{item.name} {item.version}" if item.version else item.name.endswith(f"/{title}")


def draw_moved(name: str, rows: Sequence[tuple[str, str, str, int]], whole: int) -> Html:
    """Draw, each by its colour, what is done with how many bytes: its class of the style, what, how told, bytes."""
    columns = (Column("", "long"), Column("", "wide"), Column("", "number"))
    return table(
        name,
        columns,
        [
            (
                joined([element("b", what), told(said) if said else ""]),
                bar(f"{what}: {size_text(size)}", [Share(kind, size)], whole),
                size_text(size),
            )
            for kind, what, said, size in rows
        ],
        "bars",
    )
