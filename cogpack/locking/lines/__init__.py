"""Takes known lines of `build.run` out of the sandbox: what they bring is pinned.

`read`: which lines are known · `decide`: what they bring, by `pin_fetches`, `pin_clones` (of repositories that `cloned`
has), `pin_hub_downloads` and `pip/` · `known_files`: what they make of files, over what the base has (`ground`) and
under the settings that programs find there (`program_settings`) · `renewals`: which pins are not kept · `told`: what
people read of each.
"""
