"""Two images are compared here, part by part: what of one is not in the other.

`layers`: by their blobs, and what one who has the first image fetches for the second · `files`: by reading layers ·
`packages`: Debian's and wheels · `schemas`: what callers of the model meet · `settings`: variables, labels and more.
All of it is pure but `files`, which reads blobs.
"""
