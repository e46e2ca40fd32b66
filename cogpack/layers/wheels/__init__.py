"""Wheels become layers: their files go to the virtual environment, read where they lie in the zip.

`wheel`: what a wheel says of itself · `placing`: where its files go · `archive`, `zipped`: the zip, and a member of it
as content · `outline`: a wheel on a server, by its central directory · `groups`: which share a layer · `source`: the
layer · `venv`: the environment without wheels · `clashes`, `order`: paths that several hold, and who has them ·
`libraries`: what they have for the dynamic linker · `modules`: what they have for `import`.
"""
