"""Runs commands over the tree of an image without Docker, and finds out what they changed.

The tree. `tree`: layers are laid, over `ground`, `directories` and `ahead`; `laid`: what they hold, path by path;
`owners`: whose files are that this machine can't give away · `store`: laid trees in the cache · `snapshot`: what a tree
looks like before commands run · `capture`: what they changed, as a layer; `dropped`: what is left out · `secrets`: no
secret is in that, nor in output.

The commands. `rungs`: which ways to run them (rungs) this machine has, asked by the program `questions` · `guest`: a
tree with commands run in it; `run`: one of them, held to its limits by `watch`; `enter`, the program that enters the
rung, with `mounts` and `processes` · `seccomp`: which system calls are refused or answered, by the numbers in `calls`;
`listener`: how we answer; `recorder`: chown is, `metadata`: sockets are · `standins`: what lies in the tree for the
time of a run · `users`: the image's own · `emulation`: programs of arm64 · `proot`: how that is started · `inroot`,
`kernel`, `helpers`: what all of it stands on.

Nothing of it is imported unless something is to be run.
"""
