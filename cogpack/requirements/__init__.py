"""Requirements files are read as Cog's users write them: text in, structure out. No disk, no environment.

The language is pip's (pip docs, "Requirements File Format"; PEP 508 for each line) with Cog's additions: index options
on a requirement's own line, and lines for `cog` itself, which the tool provides. What names source code (`sources`) is
told apart. Nested files are named, not read: the caller does that.

`files` reads a file by what its name says: so are `pyproject`, `pylock` and `uv_lock`, as lines of that language.
"""
