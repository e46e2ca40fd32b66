"""Blobs into a registry: mounts, uploads and the forms that registries take them in."""
