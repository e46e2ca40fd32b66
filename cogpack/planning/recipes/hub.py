"""What lines of `build.run` download from the Hugging Face hub becomes layers, which are streamed from there.

In the form of the hub's cache, bytes lie under `blobs`, by their hashes, and a commit's files are links to them
(huggingface_hub's docs, "Understand caching"): `from_pretrained` finds them without a network.
"""

import posixpath
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cogpack.errors import MismatchError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.files import FilesSource, Placed, generated
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.layers.weights.arrangement import OWN_LAYER, WeightLayer
from cogpack.lockfile import LockedHubFile
from cogpack.locking.lines.pin_hub_downloads import HubPins
from cogpack.planning.recipes.maker import LayerMaker
from cogpack.run_lines import HubDownload
from cogpack.text import count_text

if TYPE_CHECKING:
    from cogpack.layers.weights.remote import Reader
    from cogpack.resolve.weights.hub import Hub

_MOST = 32
"""Large files that have layers of their own; of more, neighbours share."""

OpenHubFile: TypeAlias = "Callable[[LockedHubFile], Reader]"


def open_hub_file(hub: "Hub", file: LockedHubFile) -> "Reader":
    return hub.open_file(file.repository, file.path, file.commit, file.size, file.kind)


class HubLayers(msgspec.Struct, frozen=True):
    """`large`: of files, as they are; `small`: of links and names of revisions; `places`: all paths, each with the
    index of its step."""

    large: tuple[BuiltLayer, ...] = ()
    small: tuple[BuiltLayer, ...] = ()
    places: tuple[tuple[str, int], ...] = ()


class _Laid(msgspec.Struct):
    """Is what all downloads together put where."""

    files: dict[str, LockedHubFile] = {}
    links: dict[str, str] = {}
    texts: dict[str, str] = {}
    steps: dict[str, int] = {}


def hub_layers(
    downloads: Sequence[tuple[int, HubDownload]], pins: HubPins, maker: LayerMaker, opened: OpenHubFile
) -> HubLayers:
    """Plan the layers of `downloads`, each with the index of its step. `opened`: how a file is had."""
    laid = _Laid()
    for step, download in downloads:
        found = pins.of(download)
        if found is None:
            raise MismatchError(
                f"the lock does not say what {download.repository} has on the hub",
                next_step="run cogpack lock and commit it",
            )
        before = laid.files.keys() | laid.links.keys() | laid.texts.keys()
        if download.directory:
            laid.files |= {posixpath.join(download.directory.strip("/"), file.path): file for file in found}
        else:
            _lay_cache(download, found, pins, laid)
        new = (laid.files.keys() | laid.links.keys() | laid.texts.keys()) - before
        laid.steps |= dict.fromkeys(new, step)
    own = [(path, file) for path, file in sorted(laid.files.items()) if file.size >= OWN_LAYER]
    rest = [(path, file) for path, file in sorted(laid.files.items()) if file.size < OWN_LAYER]
    run = max(1, -(-len(own) // _MOST))
    groups = [own[at : at + run] for at in range(0, len(own), run)]
    named = [(_name(group), group) for group in groups]
    if rest:
        named.append((_name(rest) if len(rest) == 1 else f"hub: {len(rest)} files below 64 MiB", rest))
    large = [_layer(name, group, maker, opened) for name, group in named]
    texts = [generated(path, text.encode()) for path, text in sorted(laid.texts.items())]
    source = FilesSource("hub: links", texts, symlinks=sorted(laid.links.items()))
    small = (maker.compress(source),) if laid.links or texts else ()
    return HubLayers(tuple(large), small, tuple(sorted(laid.steps.items())))


def _lay_cache(download: HubDownload, found: Sequence[LockedHubFile], pins: HubPins, laid: _Laid) -> None:
    """Lay it as huggingface_hub would: a repository's directory has `blobs`, `refs` and `snapshots`."""
    revision = pins.revision(download)
    assert revision is not None
    root = posixpath.join(download.cache.strip("/"), download.cached_as)
    for file in found:
        path = f"snapshots/{file.commit}/{file.path}"
        laid.links[f"{root}/{path}"] = f"{'../' * path.count('/')}blobs/{file.cached_as}"
        laid.files[f"{root}/blobs/{file.cached_as}"] = file
    if download.revision != revision.commit:
        laid.texts[f"{root}/refs/{download.revision}"] = revision.commit


def _name(group: Sequence[tuple[str, LockedHubFile]]) -> str:
    file = group[0][1]
    return f"hub: {file.repository}/{file.path}" if len(group) == 1 else f"hub: {count_text(len(group), 'file')}"


def _layer(name: str, group: Sequence[tuple[str, LockedHubFile]], maker: LayerMaker, opened: OpenHubFile) -> BuiltLayer:
    placed = [Placed(path, _content(file, opened)) for path, file in group]
    return maker.weight(WeightLayer(FilesSource(name, placed), remote=True), probed=False)


def _content(file: LockedHubFile, opened: OpenHubFile) -> Fingerprinted:
    from cogpack.layers.weights.remote import RemoteContent, whole_piece

    content = RemoteContent(lambda: opened(file), lambda: whole_piece(file.size), file.size, file.sha256)
    return Fingerprinted(content, file.sha256)
