"""Makes layers of what a lock names, a module a kind: `base`, `lines` of `build.run` (with `hub`), `weights`.

`maker`: what all of them have in common. `run`: how containers of the image start.
"""
