"""What pip would install is told without running it: pages of indexes are read as it reads them, and packages are
pinned in its order.

`pages`: what is offered · `offers`: which of it pip would take · `solve`: what it pins. uv, which resolves what a
project requires (`resolve/wheels`), chooses otherwise where packages can't all have their newest versions, and takes an
older wheel where pip builds a newer source.
"""

from cogpack.resolve.pip.offers import Offer, Taste, WheelCandidate, applicable, candidates
from cogpack.resolve.pip.pages import Pages
from cogpack.resolve.pip.solve import (
    Asked,
    Command,
    Metadata,
    Package,
    UnforeseenError,
    read_metadata,
    solve,
)
