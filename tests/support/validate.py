"""A reader of OCI image layouts that trusts nothing and shares nothing with cogpack.

Every digest, size and diff ID is computed anew; every layer is read by the standard library's tarfile and must have
its entries in order, each once, each after its parent.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

REF_NAME = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class ValidLayer:
    """One layer. `tar` is the plain tar; `entries` are in its order, names without `./` and trailing slash."""

    descriptor: dict[str, Any]
    diff_id: str
    tar: bytes
    entries: tuple[tarfile.TarInfo, ...]

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.entries]

    def read(self, name: str) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as archive:
            stream = archive.extractfile(name)
            assert stream is not None, f"{name} is no file"
            return stream.read()


@dataclass(frozen=True)
class ValidImage:
    digest: str
    manifest_bytes: bytes
    config_bytes: bytes
    layers: tuple[ValidLayer, ...]

    @property
    def manifest(self) -> dict[str, Any]:
        return parse(self.manifest_bytes)

    @property
    def config(self) -> dict[str, Any]:
        return parse(self.config_bytes)

    @property
    def files(self) -> dict[str, tarfile.TarInfo]:
        """The merged tree: each path's entry of the highest layer that has it, whiteouts applied."""
        found: dict[str, tarfile.TarInfo] = {}
        for layer in self.layers:
            for entry in layer.entries:
                parent, _, base = entry.name.rpartition("/")
                if base == ".wh..wh..opq":
                    gone = f"{parent}/" if parent else ""
                    found = {name: kept for name, kept in found.items() if not name.startswith(gone)}
                elif base.startswith(".wh."):
                    gone = f"{parent}/{base[4:]}".lstrip("/")
                    found = {
                        name: kept for name, kept in found.items() if name != gone and not name.startswith(gone + "/")
                    }
                else:
                    found[entry.name] = entry
        return found

    def read(self, name: str) -> bytes:
        """The content of a file as the container sees it."""
        for layer in reversed(self.layers):
            if name in layer.names:
                return layer.read(name)
        raise KeyError(name)


def validate_layout(directory: Path, name: str | None = None, *, foreign: int = 0) -> ValidImage:
    """The image called `name` in index.json, or the only one. `AssertionError` says what is wrong with it.

    The lowest `foreign` layers are a base image's: they may order their tar as they like.
    """
    assert parse((directory / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = parse((directory / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    assert index.get("mediaType", "application/vnd.oci.image.index.v1+json").endswith("index.v1+json")
    entries = [
        entry for entry in index["manifests"] if name is None or entry.get("annotations", {}).get(REF_NAME) == name
    ]
    assert len({entry["digest"] for entry in entries}) == 1, f"{len(entries)} images called {name} in {directory}"
    for path in (directory / "blobs" / "sha256").iterdir():
        assert re.fullmatch("[0-9a-f]{64}", path.name), f"{path} is no blob"
        assert _sha256(path.read_bytes()) == f"sha256:{path.name}", f"{path} has other bytes than its name says"
    descriptor = entries[0]
    assert descriptor["mediaType"] == MANIFEST

    def blob(descriptor: dict[str, Any]) -> bytes:
        algorithm, _, encoded = descriptor["digest"].partition(":")
        assert (algorithm, len(encoded)) == ("sha256", 64)
        data = (directory / "blobs" / algorithm / encoded).read_bytes()
        assert len(data) == descriptor["size"], f"{descriptor} has {len(data)} bytes"
        assert _sha256(data) == descriptor["digest"], f"{descriptor} has {_sha256(data)}"
        return data

    manifest_bytes = blob(descriptor)
    manifest = parse(manifest_bytes)
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == MANIFEST
    assert manifest["config"]["mediaType"] == CONFIG
    config_bytes = blob(manifest["config"])
    config = parse(config_bytes)
    assert config["os"]
    assert config["architecture"]
    assert config["rootfs"]["type"] == "layers"
    diff_ids = config["rootfs"]["diff_ids"]
    assert len(diff_ids) == len(manifest["layers"])
    if history := config.get("history"):
        assert sum(1 for step in history if not step.get("empty_layer")) == len(diff_ids)
    layers = tuple(
        _layer(found, diff_id, blob(found), foreign=number < foreign)
        for number, (found, diff_id) in enumerate(zip(manifest["layers"], diff_ids, strict=True))
    )
    return ValidImage(descriptor["digest"], manifest_bytes, config_bytes, layers)


def _layer(descriptor: dict[str, Any], diff_id: str, data: bytes, *, foreign: bool) -> ValidLayer:
    plain = plain_tar(descriptor["mediaType"], data)
    assert _sha256(plain) == diff_id, f"{descriptor['digest']}: diff ID {_sha256(plain)}, the config says {diff_id}"
    if not foreign:
        return ValidLayer(descriptor, diff_id, plain, check_tar(plain))
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        entries = tuple(archive)
    for entry in entries:
        entry.name = entry.name.removeprefix("./")
    return ValidLayer(descriptor, diff_id, plain, entries)


def plain_tar(media_type: str, data: bytes) -> bytes:
    if media_type == f"{LAYER}+gzip":
        return gzip.decompress(data)
    if media_type == f"{LAYER}+zstd":
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            return reader.read()
    assert media_type == LAYER, f"layer of type {media_type}"
    return data


def check_tar(plain: bytes) -> tuple[tarfile.TarInfo, ...]:
    """The entries of a layer's tar: sorted by path bytes, each once, each after its parents, links to earlier files."""
    assert len(plain) % 512 == 0
    assert plain.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        entries = tuple(archive)
    names = [entry.name for entry in entries]
    assert names == sorted(names, key=str.encode), "entries are not sorted by the bytes of their paths"
    assert len(set(names)) == len(names), f"paths that come twice: {sorted(n for n in names if names.count(n) > 1)[:5]}"
    seen: dict[str, tarfile.TarInfo] = {}
    for entry in entries:
        parts = entry.name.split("/")
        assert not {"", ".", ".."} & set(parts), f"path {entry.name!r}"
        assert entry.isreg() or entry.isdir() or entry.issym() or entry.islnk(), f"{entry.name}: type {entry.type!r}"
        for end in range(1, len(parts)):
            parent = seen.get("/".join(parts[:end]))
            assert parent is not None, f"{entry.name} comes before its parent"
            assert parent.isdir(), f"{entry.name} lies beneath {parent.name}, which is no directory"
        if entry.islnk():
            assert entry.linkname in seen, f"{entry.name} is a hard link to {entry.linkname}, which is not before it"
            assert seen[entry.linkname].isreg()
        assert len({e.mtime for e in (entry, entries[0])}) == 1, f"{entry.name} has a time of its own"
        seen[entry.name] = entry
    return entries


def parse(data: bytes) -> Any:
    """JSON without duplicate keys."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs), f"a key comes twice among {[key for key, _ in pairs]}"
        return dict(pairs)

    return json.loads(data, object_pairs_hook=unique)


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
