"""Lays the layers of an image into a directory (`lay`), and keeps laid trees in the machine's cache (`store`).

`filler`: takes what layers hold · `directories`: opened without following links · `ahead`: layers are fetched while
others are laid · `laid`: what they hold, path by path · `owners`: whose files are that this machine can't give away.
"""
