"""A project gets its lock here: `resolve/` is asked, and people are told what came of it.

`current`: the lock that holds for a run · `other_locks`: whose another is · `decide`: a new one, of each platform the
answer to one `question`, put together from `below` (of bases, each by one `base_question`: `decide_base`, by
`maintainer_scripts`), `wheels/`, `lines/` of `build.run` and `weights/` · `changes`, `deviations`, `missing_packages`,
`slim`: what is told of it.
"""
