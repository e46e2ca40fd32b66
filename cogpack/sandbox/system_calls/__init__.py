"""Filters the system calls of a guest (`seccomp`, by the `numbers` of machines): some are refused, others answered by
us.

`listener`: how we answer · `recorder`: of chown · `metadata`: of what would reach a cloud's own addresses.
"""
