"""Layers leave the base's directories as they are."""

from unittest.mock import Mock

from cogpack.config import Config
from cogpack.layers.entry import Directory, complete
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.weights.arrangement import WeightLayer
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.planning.recipes.maker import LayerMaker


def test_weights_below_a_directory_that_is_not_for_all_leave_it_so_and_no_other_layer_is_told() -> None:
    maker = LayerMaker.of(Config(), Mock(spec=DebianBase, inherited_directories=()))
    layers = [
        maker.weight(WeightLayer(FilesSource("w", [generated(path, b"w")]), (path,)), probed=False)
        for path in ("root/.cache/w", "var/tmp/w", "src/w")
    ]
    entries = [complete(layer.source.entries(), layer.inherited) for layer in layers]
    assert entries[0][:2] == [Directory("root", 0o700), Directory("root/.cache")]
    assert Directory("var/tmp", 0o1777) in entries[1]
    assert layers[2].inherited == {}
