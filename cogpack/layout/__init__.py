"""OCI image layout directories."""

from cogpack.layout.incoming import Incoming
from cogpack.layout.layout import REF_NAME, Layout

__all__ = ["REF_NAME", "Incoming", "Layout"]
