"""Weights: cut for the fastest plain pull, usable in place, moved only where they changed."""

from cogpack.layers.weights.arrangement import (
    MAX_LAYERS,
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

__all__ = [
    "MAX_LAYERS",
    "WEIGHTS",
    "WORTH",
    "Arrangement",
    "JoinSource",
    "Pinned",
    "Probe",
    "Weight",
    "WeightLayer",
    "arrange",
    "largest",
    "layer_size",
    "may_hold",
]
