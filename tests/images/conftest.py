"""The same promises, kept by our server and by the real one."""

from support.registry import address

__all__ = ["address"]
