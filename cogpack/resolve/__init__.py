"""Questions to the outside world, each answered by a section of the lock."""
