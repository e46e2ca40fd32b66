"""Which wheels share a layer.

A large wheel has a layer of its own, byte-identical in every image that uses it. The small libraries of a CUDA release
come and go together; the other small ones change often and cost little.
"""

from collections.abc import Sequence

LARGE = 4_000_000
"""Bytes of wheel. Below about this, a layer's requests cost more than sharing it saves."""

MOST = 64
"""Layers of wheels in an image."""


def group(wheels: Sequence[tuple[str, int]]) -> list[list[str]]:
    """(file name, bytes) pairs to groups of file names: largest wheels first, the shared groups last."""
    by_size = sorted(wheels, key=lambda wheel: (-wheel[1], wheel[0]))
    alone = [name for name, size in by_size if size >= LARGE][: MOST - 2]
    rest = sorted(name for name, _ in wheels if name not in set(alone))
    cuda = [name for name in rest if name.lower().startswith(("nvidia_", "cuda_", "nvidia-", "cuda-"))]
    other = [name for name in rest if name not in set(cuda)]
    return [[name] for name in alone] + [names for names in (cuda, other) if names]
