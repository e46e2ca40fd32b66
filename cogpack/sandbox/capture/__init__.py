"""Finds out what commands changed in a tree (`snapshot`), and makes a layer of it (`capture`).

`dropped`: what is left out · `secrets`: none is in it, nor in what commands say.
"""
