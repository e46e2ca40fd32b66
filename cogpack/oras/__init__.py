"""oras-py's `Registry` over this engine: code written for oras-py streams, retries, verifies (extra `oras`).

    from cogpack.oras import Registry  # where it said oras.provider, or OrasClient of oras.client

Nothing else here imports oras; docs/oras.md says what differs.
"""

from cogpack.oras.registry import Registry

__all__ = ["Registry"]
