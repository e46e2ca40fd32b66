"""What steps changed is divided into layers, so that what comes out the same when they are run again moves nowhere.

A file of weight size is one layer, whole: nobody knows what opens it, so that no rule may split it. It lies among the
weights, unless a layer below has something in its place. A distribution that pip installed, from 4 MB on, is a layer of
its own. All else is the rest.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import canonicalize_name

from cogpack.errors import CogpackError
from cogpack.images.assemble import LAYER_LIMIT
from cogpack.layers.content import LocalFile
from cogpack.layers.entry import Complete, File, HardLink
from cogpack.layers.weights.arrangement import OWN_LAYER, SHARED, joint_ratio
from cogpack.layers.weights.pieces import peek
from cogpack.layers.weights.probe import WORTH, probe_local
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile import LockedDistribution, StepsLayerKind
from cogpack.project.weights import MIN_SIZE, is_named
from cogpack.text import count_text, visible

if TYPE_CHECKING:
    from cogpack.sandbox.capture.capture import Captured

_MOST = 34
_LONGEST = 32 * 1024 * 1024
"""Bytes of a RECORD or METADATA that are read."""
_RECORD = re.compile(
    r"(?P<site>.*/(?:site|dist)-packages)/(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/RECORD", re.DOTALL
)
_INFO = re.compile(rf"{SITE}/(?P<name>[^/]+?)-(?P<version>[^/-]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info", re.DOTALL)
_METADATA = re.compile(rf"(?P<info>{SITE}/[^/]+\.(?:dist|egg)-info)/(?:METADATA|PKG-INFO)", re.DOTALL)


class CapturedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Is to be a layer. `ratio`: thousandths that zstd leaves of weights."""

    name: str
    kind: StepsLayerKind
    entries: Complete
    ratio: int | None = None


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: StepsLayerKind
    files: tuple[File, ...]
    ratio: int | None = None

    @property
    def size(self) -> int:
        return sum(file.content.size for file in self.files)


def most_layers(seen: int) -> int:
    """Tell how many layers steps may have over `seen` ones: weights get as many, and the project one. It depends on
    nothing that may change when the steps do not."""
    return max(1, min(_MOST, (LAYER_LIMIT - seen - SHARED - 1) // 2))


def divide(captured: "Captured", name: str, *, large: int, most: int) -> list[CapturedLayer]:
    """Divide what was captured into at most `most` layers, bottom first. `name`: of the rest; `large`: bytes of a
    distribution from which on it is a layer."""
    names = _names(captured.entries)
    slots = max(0, most - 2)  # but for the rest, and for small weights together
    distributions = sorted(_distributions(captured, large), key=lambda part: (-part.size, part.name))
    whole = sorted(distributions[: (slots + 1) // 2], key=lambda part: part.name)
    taken = {file.path for part in whole for file in part.files}
    own, small = _weights(captured, names, taken)
    own = _fewer(own, slots - len(whole))
    together = [_together(small, " below 64 MiB")] if small and most > 1 else []
    parts = [*own, *together, *whole]
    divided = captured.parts([[file.path for file in part.files] for part in parts])
    layers = [
        CapturedLayer(name=f"run: {part.name}", kind=part.kind, entries=entries, ratio=part.ratio)
        for part, entries in zip(parts, divided, strict=False)
    ]
    return [*layers, CapturedLayer(name=name, kind="rest", entries=divided[-1])]


def changed_distributions(captured: "Captured") -> tuple[LockedDistribution, ...]:
    """Tell which distributions of the environment are there now, or not any more, by the metadata that pip lists."""
    removed: dict[str, str | None] = {}
    for path in captured.whiteouts:
        if found := _INFO.fullmatch(path):
            removed[canonicalize_name(found["name"])] = None
    there: dict[str, str | None] = {}
    for entry in captured.entries:
        if isinstance(entry, File) and _METADATA.fullmatch(entry.path):
            there.update(_name_and_version(entry))
    return tuple(one for name, version in sorted((removed | there).items()) if (one := _locked(name, version)))


def _locked(name: str, version: str | None) -> LockedDistribution | None:
    """Give it for the lock; None where a program wrote what no index would take."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert({"name": name, "version": version}, LockedDistribution)
    return None


def _name_and_version(file: File) -> Iterator[tuple[str, str]]:
    head = _text(file).partition("\n\n")[0]
    fields = dict(line.partition(":")[::2] for line in reversed(head.splitlines()))  # the first of each counts
    if (name := fields.get("Name", "").strip()) and (version := fields.get("Version", "").strip()):
        yield canonicalize_name(name), version


def _text(file: File) -> str:
    if file.content.size > _LONGEST:
        return ""
    with suppress(CogpackError), file.content.open() as stream:
        return stream.read(_LONGEST).decode("utf-8", "replace").replace("\r\n", "\n")
    return ""


def _names(entries: Complete) -> Mapping[str, Sequence[str]]:
    """Give all names of files that have several, by the first."""
    names: dict[str, list[str]] = {}
    for entry in entries:
        if isinstance(entry, HardLink):
            names.setdefault(entry.target, [entry.target]).append(entry.path)
    return names


def _distributions(captured: "Captured", large: int) -> Iterator[_Part]:
    """Find those whose RECORD was captured, each with its files that were; a file that two list is the first's."""
    files = {entry.path: entry for entry in captured.entries if isinstance(entry, File)}
    taken: set[str] = set()
    for path, record in files.items():
        if not (found := _RECORD.fullmatch(path)):
            continue
        own = {one: files[one] for one in _recorded(found["site"], record) if one in files and one not in taken}
        own[path] = record
        part = _Part(
            name=f"{canonicalize_name(found['name'])} {found['version']}",
            kind="distribution",
            files=tuple(own[one] for one in sorted(own)),
        )
        if part.size >= large:
            taken |= own.keys()
            yield part


def _recorded(site: str, record: File) -> Iterator[str]:
    """Give the paths that a RECORD names (PyPA, "Recording installed projects"), which are relative to `site`."""
    with suppress(csv.Error):
        for row in csv.reader(_text(record).splitlines()):
            if row and (path := _joined(site, row[0])):
                yield path


def _joined(site: str, path: str) -> str | None:
    parts = [] if path.startswith("/") else site.split("/")
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _weights(
    captured: "Captured", names: Mapping[str, Sequence[str]], taken: set[str]
) -> tuple[list[_Part], list[_Part]]:
    """Find what has a layer of its own, and weights that share one; what is in the place of another file is neither."""
    own: list[_Part] = []
    small: list[_Part] = []
    for file in captured.entries:
        if not isinstance(file, File) or file.path in taken or file.content.size < MIN_SIZE:
            continue
        all_names = names.get(file.path, (file.path,))
        named = any(map(is_named, all_names))
        if not (named or file.content.size >= OWN_LAYER) or not all(map(captured.is_on_new_ground, all_names)):
            continue
        assert isinstance(file.content, LocalFile)
        ratio = probe_local(file.content, peek(file.path, file.content))
        kind: StepsLayerKind = "weights" if named or ratio > WORTH else "files"
        part = _Part(name=_shown(file.path), kind=kind, files=(file,), ratio=ratio if kind == "weights" else None)
        (own if file.content.size >= OWN_LAYER else small).append(part)
    return own, small


def _shown(path: str) -> str:
    """Write a path whose name may be any bytes."""
    return visible("/" + path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _fewer(parts: Sequence[_Part], most: int) -> list[_Part]:
    """Let neighbours share a layer where there are more than `most`; with room for none, they are in the rest."""
    if len(parts) <= most:
        return list(parts)
    if most < 2:
        return []
    run = -(-len(parts) // (most - 1))
    kinds = [[part for part in parts if part.kind == kind] for kind in ("weights", "files")]
    return [_together(alike[at : at + run]) for alike in kinds for at in range(0, len(alike), run)]


def _together(parts: Sequence[_Part], which: str = "") -> _Part:
    if len(parts) == 1:
        return parts[0]
    files = tuple(file for part in parts for file in part.files)
    return _Part(
        name=f"{count_text(len(files), 'file')}{which}",
        kind=parts[0].kind,
        files=files,
        ratio=joint_ratio((part.size, part.ratio) for part in parts),
    )
