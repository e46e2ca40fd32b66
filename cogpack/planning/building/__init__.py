"""Sources become wheels here: built over the tree of the image, where nothing of this machine is to be had.

`builder` is what `locking` is handed (`WheelBuilder`). `archive` reads what a source asks for (`build_system`), and
`requirements` has its build requirements pinned and fetched; a job is done by an environment: `guest`, over the image's
tree in a rung, or `host`, by this machine's own Python. `front_end` is the program that runs there, `failures` reads
what it said, and `wheel` makes of what was built the same bytes each time.
"""
