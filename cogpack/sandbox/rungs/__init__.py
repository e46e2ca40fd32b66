"""Knows the ways to run commands (rungs): which of them this machine has, and how each is entered.

`choice`: which is taken, by the answers of the program `questions` · `enter`: the program that enters it and runs one
command there, with `mounts`, `landlock` and `processes` · `proot`: how that is started · `emulation`: programs of
arm64.
"""
