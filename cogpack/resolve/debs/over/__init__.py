"""Packages over an image that others made: `sources`, the archives that the image's own apt asks; `installed`, what it
has, as an index; `resolver`, what is installed over it."""
