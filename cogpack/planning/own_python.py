"""What compiles for an image: the Python of its own, and the words that start any Python as a compiler."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from cogpack.artifacts import Input
from cogpack.digest import sha256
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.oci import encode

PROGRAM = Path(__file__).parents[1] / "layers" / "bytecode" / "program.py"
OPTIONS = ("-I", "-S", "-B", "-X", "utf8", "-W", "ignore")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}


def pythons_here(minor: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Give the paths of Pythons of this machine that may be of a minor version, such as 3.13."""
    path = environment.get("PATH", os.defpath)
    for name in (getattr(sys, "_base_executable", sys.executable), f"python{minor}", "python3"):
        if name and (found := shutil.which(name, path=path)):
            yield found


class OwnPython(msgspec.Struct, frozen=True, kw_only=True):
    """Is the Python of an image: the `layer` that has it, or the last one of the image that has it, made of `inputs`,
    and its absolute `path` there; `below`: the layers with its C library, if these are others, made of
    `below_inputs`."""

    layer: BuiltLayer | BaseLayer
    below: tuple[BuiltLayer | BaseLayer, ...]
    inputs: tuple[Input, ...]
    below_inputs: tuple[Input, ...]
    path: str

    @property
    def prefix(self) -> str:
        """Give the directory that its `bin` and its `lib` lie in, relative to the root."""
        return self.path.strip("/").rpartition("/bin/")[0]

    @property
    def layers(self) -> tuple[BuiltLayer | BaseLayer, ...]:
        """Give all that it runs over, the lowest first."""
        return (*self.below, self.layer)

    def key(self, release: str) -> str:
        """Name it by all files that decide what it does."""
        return sha256(encode([release, self.path, *(layer.contents for layer in self.layers)]))
