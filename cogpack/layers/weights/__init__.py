"""Weights: cut for the fastest plain pull, usable in place, moved only where they changed."""

from cogpack.layers.weights.layers import (
    MAX_LAYERS,
    WEIGHTS,
    Laid,
    LaidLayer,
    Probe,
    Weight,
    largest,
    lay,
    layer_size,
    may_hold,
)
from cogpack.layers.weights.opaque import JoinSource
from cogpack.layers.weights.probe import WORTH

__all__ = [
    "MAX_LAYERS",
    "WEIGHTS",
    "WORTH",
    "JoinSource",
    "Laid",
    "LaidLayer",
    "Probe",
    "Weight",
    "largest",
    "lay",
    "layer_size",
    "may_hold",
]
