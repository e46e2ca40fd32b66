"""Images as a whole lie here: made of layers, addressed, and read or written wherever they lie.

`interface`: the one of images in any place; `registry` and `layout` have it. `image`: one that was found. `graph`: all
that a root names, under limits. `referrers`: what refers to an image. `address`: where it is, as users write it.
`assemble`: layers and settings to an image. `pulled_archive`: a pull for `docker load`. `unpack`, `unfinished`: weights
alone, into a directory.
"""
