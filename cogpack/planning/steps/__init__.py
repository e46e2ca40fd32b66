"""Runs the commands of `build.run`, or knows what they change, and gives it as layers.

`steps`: what they are and what they see · `changes`: known by the lock, by an earlier run, or by `run`, which runs
them · `captured_layers`, `captured_places`: how what changed is divided, and where no weight may lie · `layer`,
`blobs`: these layers, and how they are kept · `failed_step`, `moved_paths`: what is told where they fail, or come out
otherwise · `apt_mirror`, `java_keystore`: what the tree is given for the time of a run.
"""
