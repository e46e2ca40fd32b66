"""`cogpack plan` for people: a line for each layer, weight, step and file, and the sum of what moves."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from cogpack.cli.summary import some_platforms
from cogpack.config.model import is_lock
from cogpack.text import count_text, size_text

if TYPE_CHECKING:
    from cogpack.commands.plan import PlannedFile, PlannedLayer, PlannedStep, PlannedWeight
    from cogpack.planning.moving import MovingLayer


def sum_text(layers: Sequence["PlannedLayer"]) -> str:
    unasked = any(layer.moves is None for layer in layers)
    mounted = [layer for layer in layers if layer.mounts and not unasked]
    moving = [layer for layer in layers if layer.moves is not False and layer not in mounted]
    known = sum(layer.size or layer.about or 0 for layer in moving)
    about = "" if all(layer.size is not None for layer in moving) else "about "
    size = f"{about}{size_text(known)}" if known or not about else "of sizes that building will tell"
    if unasked:
        return f"{count_text(len(layers), 'layer')}, {size}"
    verb = "moves" if len(moving) == 1 else "move"
    line = f"{len(moving)} of {count_text(len(layers), 'layer')} {verb}" + (f", {size}" if moving else "")
    if not mounted:
        return line
    verb, size = "mounts" if len(mounted) == 1 else "mount", size_text(sum(layer.size or 0 for layer in mounted))
    return f"{line}; {len(mounted)} {verb} from other repositories of the registry if it lets them, {size}"


def layer_size(layer: "PlannedLayer | MovingLayer") -> str:
    if layer.size is not None:
        return size_text(layer.size)
    return f"about {size_text(layer.about)}" if layer.about else "not built yet"


def layer_rows(layers: Sequence["PlannedLayer"]) -> list[str]:
    rows = []
    for layer in layers:
        ours = layer.vouched in ("", "the cache") or is_lock(layer.vouched)  # which a plan need not say
        whose = [] if ours else [f"by {layer.vouched}"]
        words = [*([layer.compression] if layer.compression else []), *whose, *some_platforms(layer, layers)]
        why = f" ({'; '.join(words)})" if words else ""
        rows.append(f"{verdict(layer):<6} {layer_size(layer):>14}  {(layer.digest or '')[7:19]:<12}  {layer.name}{why}")
    return rows


def verdict(layer: "PlannedLayer") -> str:
    """Say in a word what a push does with it; nothing where no target was asked."""
    return "mounts" if layer.mounts else {True: "moves", False: "there", None: ""}[layer.moves]


def weight_rows(weights: Sequence["PlannedWeight"]) -> list[str]:
    rows = []
    for file in weights:
        equal = f"; equal to {file.equal_to}, stored once" if file.equal_to else ""
        rows.append(f"weight {size_text(file.size):>14}  {file.rule:<12}  {file.path} ({file.why}{equal})")
        rows += [f"{'':<36}or {other}" for other in file.others]
    return rows


def step_rows(steps: Sequence["PlannedStep"]) -> list[str]:
    rows = []
    for number, step in [
        numbered for _, of_one in groupby(steps, lambda step: step.platform) for numbered in enumerate(of_one, 1)
    ]:
        told = f"impossible: {step.impossible}" if step.impossible else ""
        if step.known:
            told = f"not run: {'; '.join(step.effect) or 'changes nothing'}"
        elif step.sandboxed:
            told = f"sandboxed: {step.sandboxed}"
        command = " ".join(step.command.split())
        told = f"{step.platform}: {told}" if step.platform else told
        place = f"[{number}/{sum(one.platform == step.platform for one in steps)}]"
        rows.append(f"step   {place:>14}  {'':<12}  {command:.120}{f' ({told})' if told else ''}")
    return rows


def file_rows(files: Sequence["PlannedFile"]) -> list[str]:
    links = {file.path: f" -> {file.target}" for file in files if file.target is not None}
    return [
        f"{'file':<6} {size_text(file.size):>14}  {'':<12}  {file.path}{links.get(file.path, '')}" for file in files
    ]


def moving_rows(layers: "Sequence[MovingLayer]") -> list[str]:
    rows = []
    for layer in layers:
        unsure = "" if layer.moves else " (perhaps: no run has read its files yet)"
        rows.append(f"moves  {layer_size(layer):>14}  {layer.name}{unsure}")
    about = "" if all(layer.size is not None and layer.moves for layer in layers) else "about "
    total = sum(layer.size or layer.about or 0 for layer in layers if layer.moves)
    moving = sum(layer.moves is True for layer in layers)
    return [*rows, f"{count_text(moving, 'layer')} {'moves' if moving == 1 else 'move'}, {about}{size_text(total)}"]
