"""Runs commands over the tree of an image without Docker, and finds out what they changed.

`owners`: to whom files were given where this machine can't give them.
"""
