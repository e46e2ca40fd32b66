"""Resolves pip lines of `build.run` as pip does, each alone over the wheels before it.

`lines`: one after the other · `source`: what a line finds · `wheels`: those of earlier lines, found again · `breaks`:
what a line left broken.
"""
