"""Weights: cut for the fastest plain pull, usable in place, moved only where they changed."""

from cogpack.layers.weights.layers import MAX_LAYERS, WEIGHTS, Laid, Weight, largest, lay, layer_size
from cogpack.layers.weights.opaque import JoinSource

__all__ = ["MAX_LAYERS", "WEIGHTS", "JoinSource", "Laid", "Weight", "largest", "lay", "layer_size"]
