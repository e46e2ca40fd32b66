"""Runs commands in containers over the files of an image, or of the image that a project would be, without an engine.

`bundle`: what a container is made of, from a project or from an image · `container`: that as a guest of the sandbox,
over a tree which the cache keeps · `server`: a model's server in one, asked for its health and for predictions ·
`inputs`: what users write, as the model takes it · `outputs`: what it gives, as users read it.
"""
