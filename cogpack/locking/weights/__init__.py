"""Managed weights: those of servers are pinned (`remote`), those of directories here are listed (`local`)."""
