"""What layers are made of, for those that fetch nothing."""

from pathlib import Path

from cogpack.artifacts import Store, Supply
from cogpack.http import Http
from cogpack.progress import SILENT, Cancellation


def no_supply() -> Supply:
    """Of layers without inputs."""
    return Supply(Store(Path("/nowhere"), Http()), SILENT, Cancellation())
