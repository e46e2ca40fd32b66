"""This module has the sizes that everybody counts in, in bytes."""

MiB = 1024 * 1024
GiB = 1024 * MiB
BLOCK = MiB
"""What is read, or handed on, at a time."""
