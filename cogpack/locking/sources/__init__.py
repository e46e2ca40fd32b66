"""Sources that requirements name by their place become wheels, which take the requirements' place.

`bring`: pins what is named, and brings what is pinned · `repositories`: git's, `large_files`: those of git-lfs there ·
`editable`: wheels of `-e`, which lead to where the source lies · `direct`: the wheels, kept or built.
"""
