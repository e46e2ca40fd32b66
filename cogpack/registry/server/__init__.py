"""A small registry: the distribution API (distribution-spec v1.1) over one OCI image layout."""

from cogpack.registry.server.access import User
from cogpack.registry.server.server import Server

__all__ = ["Server", "User"]
