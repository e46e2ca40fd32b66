"""Layers are made here with what they have in common: codecs, and the base's directories that they write again."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from cogpack.artifacts import Input
from cogpack.config import Config
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Codec, Gzip, SplicedGzip, Uncompressed, Zstd
from cogpack.layers.entry import Directory, parents
from cogpack.layers.layer import LayerSource
from cogpack.layers.listed import ListedFiles
from cogpack.layers.weights.arrangement import WeightLayer
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.lines.ground import uncommon_directories


class MaybeLayer(msgspec.Struct, frozen=True):
    """Has none or one. `inputs`: what it is made of, by its key."""

    layers: tuple[BuiltLayer, ...] = ()
    inputs: Mapping[str, tuple[Input, ...]] = {}


def inherited_directories(base: Base) -> dict[str, Directory]:
    """Give the directories of a base that its layers keep as they are, by their paths."""
    return {
        directory.path: Directory(directory.path, directory.mode, directory.uid, directory.gid)
        for directory in base.inherited_directories
    }


class LayerMaker(msgspec.Struct, frozen=True, kw_only=True):
    """Makes a layer of any kind. `spliced`: of wheels, whose own deflate streams it can take over; `uncommon`: what a
    layer of weights has to inherit only if one lies below it, so that others keep their keys."""

    compressed: Codec
    spliced: Codec
    inherited: Mapping[str, Directory]
    uncommon: Mapping[str, Directory] = {}

    @classmethod
    def of(cls, config: Config, base: Base) -> "LayerMaker":
        zstd = Zstd() if config.pack.compression == "zstd" else None
        return cls(
            compressed=zstd or Gzip(),
            spliced=zstd or SplicedGzip(),
            inherited=inherited_directories(base),
            uncommon=uncommon_directories(base),
        )

    def compress(self, source: LayerSource) -> BuiltLayer:
        return BuiltLayer(source, self.compressed, inherited=self.inherited)

    def project(self, source: ListedFiles, spool: Path) -> BuiltLayer:
        """Store the project's own files: made before anybody is asked for them, and kept in `spool` for who wants
        them."""
        return BuiltLayer(
            source, self.compressed, inherited=self.inherited, remembered=False, spool=spool, unread=source.unread
        )

    def splice(self, source: LayerSource) -> BuiltLayer:
        return BuiltLayer(source, self.spliced, inherited=self.inherited)

    def weight(self, layer: WeightLayer, *, probed: bool) -> BuiltLayer:
        """Store weights as they are, unless a probe found that compressing them pays."""
        ratio = layer.ratio if probed else None
        codec = self.compressed if layer.generated else self.weight_codec(ratio)
        above = {parent for path in layer.places for parent in parents(path)}
        inherited = {**self.inherited, **{path: self.uncommon[path] for path in above & self.uncommon.keys()}}
        return BuiltLayer(layer.source, codec, inherited=inherited, remote=layer.remote, ratio=ratio)

    @staticmethod
    def weight_codec(ratio: int | None) -> Codec:
        from cogpack.layers.weights.probe import WORTH

        return Zstd() if ratio is not None and ratio <= WORTH else Uncompressed()
