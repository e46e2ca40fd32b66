"""Runs commands over the tree of an image without Docker, and finds out what they changed.

`tree`: layers are laid, over `ground`, `directories` and `ahead`; `laid`: what they hold, path by path; `owners`: whose
files are that this machine can't give away · `store`: laid trees in the cache · `snapshot`: what a tree looks like
before commands run · `capture`: what they changed, as a layer; `dropped`: what is left out · `secrets`: no secret is in
that, nor in output.
"""
