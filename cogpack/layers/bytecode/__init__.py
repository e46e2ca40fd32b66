"""Bytecode of an image's Python files is made here, that of each layer in a layer of its own.

`program`: what another Python runs to make it; `packs`: what is made, and kept; `source`: a layer of it.
"""

from cogpack.layers.bytecode.packs import Compiler, Packs, SourceFile, Unit
from cogpack.layers.bytecode.source import BytecodePart, BytecodeSource, is_module, minor_of, unit_key
