"""The acts of the product are functions, a module for each command: `cogpack` exports them, the command line prints.

Two modules are no command: `pull_into_engine` is the other half of `pull`, and `results` has what both `push` and
`build` say of a layer.
"""
