"""Repositories of others are read as git reads them, and what is read is held to its names.

`program`: the machine's git, run without harm · `mirror`: copies of repositories in the cache · `refs`: what a server
says it has, and what `git clone` makes of it · `objects`: commits, trees and tags, taken apart · `reader`: objects of a
copy, verified · `submodules` and `attributes`: what a tree says of itself.
"""
