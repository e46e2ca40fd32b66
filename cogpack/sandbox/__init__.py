"""Runs commands over the tree of an image without Docker, and finds out what they changed.

`trees/`: the layers of an image, laid into a directory, and kept · `capture/`: what commands changed there, as a
layer · `rungs/`: the ways to run them that this machine has, and how each is entered · `system_calls/`: which are
refused, and which we answer.

`guest`: a tree with commands run in it; `run`: one of them, held to its limits by `watch` · `standins`: what lies in
the tree for the time of a run · `users`: the image's own · `inroot`, `kernel`, `helpers`: what all of it stands on.

Nothing of it is imported unless something is to be run.
"""
