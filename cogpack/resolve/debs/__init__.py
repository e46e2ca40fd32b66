"""Debian packages are chosen here, verified from the archive's signature down to each file's sha256.

`question` is what is asked, `found` how the answer is written down; both ways to it are between: `resolver` over
Debian's base, `over/` over an image that others made. They ask `archives/` (what there is now, or was at a snapshot,
from the signed Release on), `solving/` (what a request means in it, and what goes together), `bases` (of which packages
a base is) and `standing` (over which one); `security` takes what is locked on to the security archive alone; `names/`
is what people call packages.
"""
