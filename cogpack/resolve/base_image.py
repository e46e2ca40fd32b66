"""An image that is used as base is examined here: its layers, its CPython, its glibc, a few directories.

Each layer is streamed once and listed; the list is kept, and a few small files in it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from cogpack.digest import DiffID, Digest, parse_digest
from cogpack.errors import InputError
from cogpack.images.graph import check_platform, read_graph
from cogpack.images.ground import apply_layer, weigh
from cogpack.images.interface import Images
from cogpack.images.listings import Listed, Listings
from cogpack.images.root_file_system import RootFileSystem
from cogpack.lockfile import LockedPlace
from cogpack.lockfile.base_kinds import InheritedDirectory, RegistryBase, RegistryLayer
from cogpack.oci import CONFIG_LIMIT, Descriptor, Execution, ImageConfig, Manifest, Platform, read_config
from cogpack.progress import Progress, counted
from cogpack.reference import Reference
from cogpack.symlinks import follow

_PYTHON = re.compile(r"python3\.([0-9]{1,3})")
_INITS = ("usr/bin/tini", "sbin/tini", "usr/sbin/tini", "usr/local/bin/tini", "tini")
_OURS = re.compile(r"opt|src|opt/venv|opt/cpython-3\.\d+")
"""Directories that our layers write, the first two as parents: a base may have those."""


def resolve_base_image(
    reference: Reference,
    platform: Platform,
    images: Images,
    progress: Progress,
    *,
    listed: Callable[["BaseFiles"], object] = lambda _: None,
    listings: Listings | None = None,
) -> RegistryBase:
    """Resolve `reference` to a digest and learn what the image holds. `listed` is given its files,
    whose lists are in `listings` where those have them."""
    manifest, digest, raw_config = _manifest(reference, platform, images)
    config = read_config(raw_config, ImageConfig, where=f"{reference}: image config")
    diff_ids = config.diff_ids
    if len(diff_ids) != len(manifest.layers):
        _refuse(reference, f"it has {len(manifest.layers)} layers, but its config lists {len(diff_ids)}")
    layers = tuple(
        RegistryLayer(
            media_type=layer.media_type,
            digest=layer.digest,
            size=layer.size,
            diff_id=DiffID(parse_digest(diff_id, where=f"{reference}: diff ID")),
        )
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
    )
    tree = list_base_image(reference, layers, images, progress, listings or Listings())
    listed(tree)
    python, interpreter = tree.interpreter(_search_path(config.config)) or (None, None)
    return RegistryBase(
        reference=str(reference),
        digest=digest,
        python=python,
        glibc=tree.glibc_version(reference),
        interpreter=interpreter,
        init=tree.init(),
        config=raw_config.decode(),
        layers=layers,
        inherited_directories=tuple(tree.inherited(reference)),
    )


def list_base_image(
    reference: Reference, layers: Iterable[RegistryLayer], images: Images, progress: Progress, listings: Listings
) -> "BaseFiles":
    """List the files of an image that has these `layers`."""
    tree = BaseFiles(reference)
    for layer in layers:
        where = f"{reference}: layer {layer.digest}"
        found = listings.kept(layer.info, where=where)
        if found is None:
            task = progress.task(f"{reference.repository} {layer.digest[7:19]}", layer.size, "read")
            opened = partial(_counted, images, layer.info.descriptor, task.advance)
            found = listings.read(layer.info, opened, where=where)
            task.done("listed")
        tree.apply(found)
    return tree


@contextmanager
def _counted(images: Images, layer: Descriptor, advance: Callable[[int], object]) -> Iterator[Iterator[bytes]]:
    with images.blob(layer) as blocks:
        yield counted(blocks, advance)


def _manifest(reference: Reference, platform: Platform, images: Images) -> tuple[Manifest, Digest, bytes]:
    """Give the image's manifest, that one's digest, and its config."""
    where = f"cogpack.base: {reference}"
    graph = read_graph(images.manifest, reference.wanted, where=where, platform=platform)
    node = graph.nodes[-1]
    assert isinstance(node.document, Manifest)
    if node.foreign:
        _refuse(reference, "its lowest layers are in no registry")
    config = images.blob_bytes(node.document.config, limit=CONFIG_LIMIT)
    if graph.index is None:
        check_platform(config, platform, where)
    return node.document, node.descriptor.digest, config


def _search_path(config: Execution | None) -> list[str]:
    for variable in (config and config.env) or []:
        if variable.startswith("PATH="):
            return [part.strip("/") for part in variable[5:].split(":") if part.startswith("/")]
    return ["usr/local/bin", "usr/bin", "bin"]


class BaseFiles:
    """Holds what is asked of the files of a base."""

    def __init__(self, reference: Reference) -> None:
        self._files: RootFileSystem[Listed] = RootFileSystem(partial(_refuse, reference), weigh)
        self._entries = self._files.entries

    def apply(self, layer: Iterable[Listed]) -> None:
        apply_layer(self._files, layer)

    @property
    def members(self) -> Mapping[str, Listed]:
        """Give what there is of all layers, by path."""
        return self._entries

    def place(self, path: str) -> LockedPlace:
        """Tell what is at `path`, no link followed."""
        entry = self._entries.get(path)
        if entry is None:  # engines make directories that no layer has
            return LockedPlace(path=path, kind="directory" if self._files.is_above(path) else "absent")
        if entry.kind == "symlink" and _is_utf8(entry.link):  # no lock can name another target
            return LockedPlace(path=path, kind="symlink", target=entry.link)
        if entry.kind == "directory":
            return LockedPlace(path=path, mode=entry.mode, uid=entry.uid, gid=entry.gid)
        return LockedPlace(path=path, kind="file" if entry.kind in ("file", "hardlink") else "special file")

    def resolve(self, path: str) -> str | None:
        """Give the real path behind the links in `path`, or None where nothing is there."""
        real = follow(path, self._target)
        return real if real in self._entries else None

    def _target(self, path: str) -> str | None:
        entry = self._entries.get(path)
        return entry.link if entry is not None and entry.kind == "symlink" else None

    def interpreter(self, search: list[str]) -> tuple[str, str] | None:
        """Find the CPython that `python3` or `python` on PATH is: its version, its absolute path."""
        for directory in search:
            for name in ("python3", "python"):
                real = self.resolve(f"{directory}/{name}")
                if real and _is_utf8(real) and (found := _PYTHON.fullmatch(real.rpartition("/")[2])):
                    return f"3.{found[1]}", f"/{real}"
        return None

    def release(self, interpreter: str) -> str | None:
        """Tell the release of the CPython of this absolute path, by what program and library have in them; None where
        these say none, or several, or one that is not final."""
        prefix, _, program = interpreter.strip("/").rpartition("bin/")
        own = rf"{re.escape(prefix)}(?:bin/{re.escape(program)}|lib(?:64)?/(?:.*/)?lib{re.escape(program)}\.so\.1\.0)"
        told = {one.cpython for path, one in self._entries.items() if one.cpython and re.fullmatch(own, path)}
        found = told.pop() if len(told) == 1 else ""
        return found if re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", found) else None

    def init(self) -> str | None:
        """Find tini where Debian, Docker and Cog put it."""
        return next((f"/{path}" for path in _INITS if self.resolve(path) is not None), None)

    def glibc_version(self, reference: Reference) -> str:
        versions = [entry.glibc for _, entry in sorted(self._entries.items()) if entry.glibc]
        if versions:
            return versions[0]
        musl = any(path.rpartition("/")[2].startswith("ld-musl-") for path in self._entries)
        _refuse(
            reference,
            "it uses musl; coglet and most wheels need glibc" if musl else "no glibc was found in it",
        )

    def inherited(self, reference: Reference) -> Iterator[InheritedDirectory]:
        for path in sorted(filter(_OURS.fullmatch, self._entries)):
            entry = self._entries[path]
            if entry.kind != "directory" or path not in ("opt", "src"):
                _refuse(reference, f"it has a {entry.kind} at /{path}, where cogpack puts its own files")
            if (entry.mode, entry.uid, entry.gid) != (0o755, 0, 0):
                yield InheritedDirectory(path, entry.mode, entry.uid, entry.gid)
        tmp = self._entries.get("tmp")
        if tmp is None or tmp.kind != "directory" or tmp.mode != 0o1777:
            _refuse(reference, "/tmp is not a directory of mode 1777, without which every prediction fails")


def _is_utf8(name: str) -> bool:
    """Tell it of a name in a layer, of which other bytes are surrogates (PEP 383)."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _refuse(reference: Reference, why: str) -> NoReturn:
    raise InputError(
        f"cogpack.base: {reference} can't be a base: {why}",
        next_step="choose a glibc-based Python image such as python:3.12-slim, or leave out cogpack.base",
    )
