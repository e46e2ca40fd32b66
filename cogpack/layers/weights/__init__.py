"""Weights are split for the fastest plain pull, usable in place, and moved only where they changed.

`arrangement`: weights in layers · `pieces`: one model file into many · `safetensors`, `shards`, `gguf`: along tensors ·
`opaque`: into pieces that are joined at start · `join_document`: which these are, of an image · `remote`: files of
servers · `probe`: what zstd would leave · `complete`: what a loader would miss, `gguf_end` of it.
"""

WEIGHTS = "weights: "
"""What the names of weight layers begin with, in images too."""
