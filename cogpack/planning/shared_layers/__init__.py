"""Layers that another model's push made are found in a repository by their keys, and need not be made again.

`offer`: what is said of one there, and under which tag · `signing`: by whom · `sharing`: of which layers · `hear`: what
offers make known · `publish`: they are written.
"""
