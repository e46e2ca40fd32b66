"""This module has the sizes that everybody counts in, in bytes."""

MiB = 1024 * 1024
BLOCK = MiB
"""What is read, or handed on, at a time."""
