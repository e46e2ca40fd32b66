"""uv resolves requirements to exact wheels for a target interpreter, and finds where locked wheels are to be had.

`resolver` asks, by `compile` (uv as a subprocess) and `failures` (what it says), for `target`, of `indexes`, whose
addresses may hold `variables`; `choice` takes one wheel of each version, and `chosen` makes it one of the lock;
`sources`: what it wants of who has wheels that no index has; `addresses`: where locked ones are by now;
`import_names`: what brings a module.
"""
