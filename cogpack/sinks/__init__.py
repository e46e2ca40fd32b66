"""Layers go into sinks, and become an image there: a registry, an OCI layout, an archive, the local Docker.

`sink`: what one is. `registry`, `layout`: over the images of a target. `archive`, `daemon`: a stream. `copies`:
blobs that another registry has, for a push.
"""
