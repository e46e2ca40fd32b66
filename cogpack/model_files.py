"""How files of models are called, and by which rules one may be split: names that loaders look for, and that we give.

model.safetensors                      one file
model.safetensors.index.json           the index of its shards (Hugging Face)
model-00001-of-00003.gguf              a part of a split file (llama.cpp)
"""

import re
from typing import Literal, TypeAlias

from cogpack.patterns import pattern

TensorRule: TypeAlias = Literal["tensor", "gguf"]
"""Along the tensors, into files that loaders of the format read as they are."""

Rule: TypeAlias = Literal["tensor", "gguf", "opaque", "none"]
"""`opaque`: into pieces that are joined where the container starts."""

GGUF_PART = pattern(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.DOTALL)
"""Names of the parts of a split GGUF file, by which llama.cpp finds one from the other."""


def tensor_rule(name: str) -> TensorRule | None:
    """Which rule could split a file called `name`."""
    return "tensor" if name.endswith(".safetensors") else "gguf" if name.endswith(".gguf") else None


def gguf_part(stem: str, number: int, count: int) -> str:
    """The name of a part. `number`: from 0; names count from 1."""
    return f"{stem}-{number + 1:05d}-of-{count:05d}.gguf"


def index_path(path: str) -> str:
    """Where loaders look for the index of a file: a variant stands before the last suffix of its name.

    "unet/model.fp16.safetensors" gives "unet/model.safetensors.index.fp16.json".
    """
    folder, slash, name = path.rpartition("/")
    stem, _, variant = name.removesuffix(".safetensors").partition(".")
    return f"{folder}{slash}{stem}.safetensors.index.{variant + '.' if variant else ''}json"
