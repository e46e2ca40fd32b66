"""Resolves pip lines of `build.run` as pip does, each alone over the wheels before it.

`lines`: one after the other · `files`: what they name by `-r` and `-c` · `source`: what a line finds · `uv`: those of
`uv pip` · `mim`: those of openmim · `wheels`: those of earlier lines, found again · `breaks`: what a line left broken.
"""
