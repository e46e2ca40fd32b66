"""Repositories are layers, as `git clone` leaves them in a directory.

`source`: the files and `.git` · `history`: which objects there are · `pack` and `delta`: them in a pack of our own ·
`directory`: the rest of `.git`.
"""

from cogpack.layers.clones.source import CloneSource
