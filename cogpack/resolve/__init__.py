"""What a lock decides is asked of the outside world here: each question is answered by a section of the lock.

`base_image`: what an image is that is used as base · `debs/`: which Debian packages · `wheels/`: which wheels ·
`weights/`: which files of hubs, object stores and web servers · `clouds`: who this machine is there.
"""
