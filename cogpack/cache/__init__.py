"""The cache is a directory for what can be had again: downloads, and what earlier runs have learned.

Nothing in it is needed for an image. Processes share it, it may be removed at any time when none runs, and `cogpack
cache` cleans it while some do. `place`: where it is; `kept`: the one of a run; `sweep`: its removal;
`scratch`: directories of it for a while.
"""

from cogpack.cache.kept import Kept
from cogpack.cache.place import TAG, chosen_place, foreign, is_tagged
