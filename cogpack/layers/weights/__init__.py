"""Weights are split for the fastest plain pull, usable in place, and moved only where they changed.

`arrangement`: weights in layers · `pieces`: one model file into many · `safetensors`, `shards`, `gguf`: along tensors ·
`opaque`: into pieces that are joined at start · `join_document`: which these are, of an image · `remote`: files of
servers · `probe`: what zstd would leave · `complete`: what a loader would miss.
"""

from cogpack.layers.weights.arrangement import (
    MAX_LAYERS,
    OWN_LAYER,
    WEIGHTS,
    Arrangement,
    Pinned,
    Probe,
    Weight,
    WeightLayer,
    arrange,
    largest,
    layer_size,
    may_hold,
)
from cogpack.layers.weights.opaque import JoinSource
from cogpack.layers.weights.probe import WORTH
