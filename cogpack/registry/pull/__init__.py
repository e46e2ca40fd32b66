"""Blobs out of a registry: ranges over many connections, mirrors, layers that lie elsewhere."""
