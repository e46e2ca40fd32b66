"""This module runs `cogpack diff`, and writes what differs as people read it: a line for each thing, with a sign."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cogpack.cli.options import PLATFORMS
from cogpack.cli.running import Answer, with_session
from cogpack.errors import MismatchError
from cogpack.text import count_text, lines, shortened, size_text

if TYPE_CHECKING:
    from cogpack.commands.diff import Difference
    from cogpack.comparing.files import ComparedFile, ComparedState
    from cogpack.comparing.layers import ComparedLayer
    from cogpack.comparing.schemas import ComparedSchema
    from cogpack.comparing.settings import ComparedText
    from cogpack.session import Session

_SHOWN = 20
"""Files that are listed where nobody asked for them."""
_WIDTH = 48
"""Columns of a value."""


def diff(arguments: argparse.Namespace) -> None:
    from cogpack.commands.diff import diff

    if arguments.platform in PLATFORMS:
        arguments.made_for = [arguments.platform]  # the project's side, too

    def act(session: "Session") -> Answer:
        found = diff(
            session, arguments.before, arguments.after, platform=arguments.platform, files=arguments.files or None
        )
        differs = MismatchError(
            f"{found.before.reference} and {found.after.reference} are not the same",
            next_step="see above; without --exit-code this is no error",
        )
        failed = differs if arguments.exit_code and not found.same else None
        return Answer(found, lines(rows(found, all_files=arguments.files)), failed=failed)

    with_session(arguments, act)


def rows(found: "Difference", *, all_files: bool) -> Iterator[str]:
    """Write all that differs. `all_files`: not only the first."""
    for sign, image in (("-", found.before), ("+", found.after)):
        size = "" if image.size is None else f", {size_text(image.size)}"
        platform = f", {image.platform}" if found.before.platform != found.after.platform else ""
        yield f"{sign} {image.reference}  {(image.digest or 'not built yet')[:19]}{size}{platform}"
    if found.same:
        yield "the same"
        return
    others = [layer for layer in found.layers if layer.status != "same"]
    yield f"layers    {_counted([layer.status for layer in found.layers])}"
    yield from (f"  {_layer(layer)}" for layer in others)
    named = (found.environment, found.settings, found.labels, found.annotations)
    if not (others or any(named) or found.model or found.before.platform != found.after.platform):
        yield "only the order of layers, dates, history or the form of the manifest differ"
        return
    if found.fetched is None:
        yield "to fetch  not known before it is built"
    else:
        more = found.fetched_in_order
        classic = f"; {size_text(more)} into Docker's classic store, which goes by the order of layers" if more else ""
        have = f" by who has {found.before.reference}" if found.before.reference != "." else ""
        yield f"to fetch  {size_text(found.fetched)}{have}{classic if more != found.fetched else ''}"
    for kind in ("debian", "python"):
        changed = [package for package in found.packages if package.kind == kind]
        if kind not in found.packages_compared:
            yield f"{kind:<9} not told{'; --files reads what dpkg says' if kind == 'debian' and found.unread else ''}"
        for package in changed:
            yield f"{kind:<9} {_change(package.name, package.before, package.after)}"
    yield from _files(found.files, found.unread, all_files=all_files)
    for word, texts in (("env", found.environment), ("setting", found.settings), ("label", found.labels)):
        yield from (f"{word:<9} {_text(text)}" for text in texts)
    yield from (f"{'annotated':<9} {_text(text)}" for text in found.annotations)
    yield from model_lines(found.model)


def model_lines(changes: "Sequence[ComparedSchema]") -> Iterator[str]:
    """Write what changed for who calls the model."""
    for part in changes:
        name = "" if part.part.endswith("output") else f"{part.name}: "
        breaks = "  (breaks calls)" if part.breaking else ""
        yield f"{part.part:<9} {name}{'; '.join(shortened(text, 100) for text in part.changes)}{breaks}"


def _counted(statuses: Sequence[str]) -> str:
    words = (word for word in ("same", "changed", "added", "removed") if word in statuses)
    return ", ".join(f"{statuses.count(word)} {word}" for word in words) or "none"


def _layer(layer: "ComparedLayer") -> str:
    before, after = layer.before, layer.after
    sign = {"added": "+", "removed": "-"}.get(layer.status, "~")
    blob = after or before
    size = "not built yet" if blob is None or blob.size is None else size_text(blob.size)
    was = f"  (was {size_text(before.size)})" if before and after and before.size is not None else ""
    digest = (blob.digest or "")[7:19] if blob else ""
    return f"{sign} {size:>13}  {digest:<12}  {layer.name}{was}".rstrip()


def _change(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"+ {name} {after}"
    return f"- {name} {before}" if after is None else f"~ {name} {before} -> {after}"


def _text(text: "ComparedText") -> str:
    both = (text.before, text.after)
    before, after = (None if one is None else shortened(" ".join(one.split()), _WIDTH) for one in both)
    sign = "+" if before is None else "-" if after is None else "~"
    if before == after:  # as far as there is room
        return f"{sign} {text.name}"
    return f"{sign} {text.name}={' -> '.join(value for value in (before, after) if value is not None)}"


def _files(files: "Sequence[ComparedFile] | None", unread: int, *, all_files: bool) -> Iterator[str]:
    if files is None:
        read = f"{size_text(unread)} would have to be read (--files)" if unread else "no layer is known as a project's"
        yield f"files     not compared: {read}"
        return
    if not files:
        return
    yield f"files     {_counted([file.status for file in files])}"
    for file in files if all_files else files[:_SHOWN]:
        sign = {"added": "+", "removed": "-"}.get(file.status, "~")
        yield f"  {sign} /{file.path}{_state(file.before, file.after)}"
    if not all_files and len(files) > _SHOWN:
        yield f"    and {count_text(len(files) - _SHOWN, 'path')} more (--files)"


def _state(before: "ComparedState | None", after: "ComparedState | None") -> str:
    if before is None or after is None:
        one = after or before
        return "" if one is None else f"  {size_text(one.size)}" if one.kind == "file" else f"  ({one.kind})"
    if before.kind != after.kind:
        return f"  {before.kind} -> {after.kind}"
    said = []
    for name in ("mode", "uid", "gid", "link"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            said.append(f"{name} {old} -> {new}")
    sizes = list(dict.fromkeys([size_text(before.size), size_text(after.size)]))
    return f"  {', '.join([*said, ' -> '.join(sizes)] if not said or len(sizes) > 1 else said)}"
