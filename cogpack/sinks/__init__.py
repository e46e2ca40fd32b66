"""Where images go: a registry, an OCI image layout, an archive, the local Docker."""
