"""Files of the outside world, by digest: downloaded once, verified before they get their name and before their use."""

from cogpack.artifacts.downloads import Artifact, Store
from cogpack.artifacts.supply import Input, Supply

__all__ = ["Artifact", "Input", "Store", "Supply"]
