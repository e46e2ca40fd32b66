"""cogpack: a Cog project becomes a standard OCI image, without Docker."""

__version__ = "0.1.0"
