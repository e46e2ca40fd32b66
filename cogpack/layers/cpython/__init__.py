"""An interpreter of python-build-standalone becomes a layer: unpacked from its archive, with no Python run.

`source`: the archive's members as entries · `relocated`: the files of it that name the place it was built for.
"""

from cogpack.layers.cpython.source import CPythonSource
