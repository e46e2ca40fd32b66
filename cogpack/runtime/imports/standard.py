"""Which modules Python's own library has, by its minor version (its documents, "What's New")."""

import sys
from collections.abc import Mapping

_NEW: Mapping[int, frozenset[str]] = {
    11: frozenset({"tomllib"}),
    13: frozenset({"_colorize", "_interpreters", "_pyrepl"}),
    14: frozenset({"annotationlib", "compression"}),
    15: frozenset({"profiling"}),
}
_LEFT: Mapping[int, frozenset[str]] = {
    11: frozenset({"binhex"}),
    12: frozenset({"asynchat", "asyncore", "distutils", "imp", "smtpd"}),
    13: frozenset(
        {
            *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis"),
            *("nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
        }
    ),
}
_UNLISTED = frozenset({"__hello__", "__main__", "__phello__", "test"})
"""Modules that every Python has and `sys.stdlib_module_names` leaves out."""
_EVER = _UNLISTED.union(sys.stdlib_module_names, *_NEW.values(), *_LEFT.values())


def is_standard(name: str, minor: str) -> bool:
    """Tell whether `name`, without dots, is a module of Python `minor`, as "3.12"."""
    number = int(minor.partition(".")[2])
    return name in _EVER and not any(
        name in names
        for table, gone in ((_NEW, False), (_LEFT, True))
        for since, names in table.items()
        if (since <= number) == gone
    )


def left_python(name: str) -> str:
    """Give the first Python that has a module no more, as "3.12"; "" of any other module."""
    return next((f"3.{since}" for since, names in _LEFT.items() if name in names), "")
