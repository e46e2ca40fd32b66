"""A project gets its lock here: `resolve/` is asked, and people are told what came of it.

`current`: the lock that holds for a run · `decide`: a new one, put together from `decide_base` (by
`maintainer_scripts`), `wheels/`, `lines/` of `build.run` and `weights/` · `changes`, `deviations`,
`missing_packages`, `slim`, `unsupported`: what is told of it.
"""
