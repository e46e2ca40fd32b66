"""Requirements that name a file or directory of the project, as a path or by `file:`, in pip's and uv's spellings."""

import re
from urllib.parse import unquote

import msgspec
from packaging.markers import InvalidMarker, Marker
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.patterns import pattern
from cogpack.requirements.model import VARIABLE, LocalWheel

_FILE = pattern(r"file:", re.IGNORECASE)
_PROJECT = "${PROJECT_ROOT}"
"""Stands for the project's directory, as in files of PDM and uv."""
_ELSE = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://|git@|-")
_NAMED = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*+)\s*+(?:\[([^\[\]]*+)\])?\s*+@\s*+(?=file:|\.{0,2}/)", re.IGNORECASE)
_ANY_NAMED = pattern(r"[A-Za-z0-9._-]++\s*+(?:\[[^\]]*+\]\s*+)?@")
_OPTION = pattern(r"\s(?=--)")
_EXTRAS = pattern(r"([^\[\]]+)\[([^\[\]]*)\]")
_EXTRA = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*+(?<=[A-Za-z0-9]))?")
"""What an extra may be called (PyPA, dependency specifiers)."""


class LineFaultError(Exception):
    """Says in its arguments what is wrong with a requirement, and what is to be done."""


class Named(msgspec.Struct, frozen=True):
    """Is what stands before a path: `name` is "" where there is nothing."""

    name: str
    extras: tuple[str, ...]
    path: str


def named_path(text: str) -> Named | None:
    """Take `NAME[EXTRAS] @ PATH` apart, the path being a path or a `file:` address; None of anything else."""
    if (found := _NAMED.match(text)) is None:
        return None
    return Named(found[1], tuple(_words(found[2] or "")), text[found.end() :])


def path_of(address: str) -> str:
    """Give the path that a `file:` address names (RFC 8089), or else the text as it is; `LineFaultError` of one that
    can't be known here."""
    if not _FILE.match(address):
        return f".{address.removeprefix(_PROJECT)}" if address.startswith(f"{_PROJECT}/") else address
    rest = address[len("file:") :].partition("#")[0]
    if rest.startswith("//"):
        host, slash, below = rest[2:].partition("/")
        rest = f"{host if host == _PROJECT else ''}{slash}{below}"
        if host not in ("", "localhost", _PROJECT):
            raise LineFaultError(f"{address:.120} is a file of another machine", "put a copy into the project")
    rest = rest.removeprefix("/") if rest.startswith(f"/{_PROJECT}") else rest
    if rest.startswith(_PROJECT):
        rest = f".{rest.removeprefix(_PROJECT)}"
    if found := VARIABLE.search(rest):
        raise LineFaultError(
            f"{address:.120}: {found[0]} is not read in a path", "write its path in the project: ./PATH"
        )
    path = unquote(rest)
    return path if path.startswith(("/", "./", "../")) else f"./{path}"


def read_wheel(text: str, *, path: str, line: int) -> tuple[LocalWheel, str] | None:
    """Read `PATH.whl[EXTRAS] ; MARKER`, spaces allowed, or `NAME @ PATH.whl`; with the options behind it. None of a
    line that names no wheel of the project; `LineFaultError` of one that can't be taken."""
    named = named_path(text)
    rest = named.path if named else text
    if not named and ((_ELSE.match(rest) and not _FILE.match(rest)) or _ANY_NAMED.match(rest)):
        return None
    if VARIABLE.match(rest) and not rest.startswith(_PROJECT):
        return None  # an address
    option = _OPTION.search(rest)
    rest, options = (rest[: option.start()], rest[option.end() :]) if option else (rest, "")
    address, _, condition = rest.partition(";")
    address = address.strip()
    extras: tuple[str, ...] = named.extras if named else ()
    address, more = split_extras(address)
    extras = (*extras, *more)
    if not address.partition("#")[0].endswith(".whl"):
        return None
    file = path_of(address)
    if "\\" in file:
        raise LineFaultError(f"{file:.120}: backslash in a path", "write forward slashes")
    name, version = wheel_name(file.rpartition("/")[2])
    if named and canonicalize_name(named.name) != name:
        raise LineFaultError(f"{named.name} names a wheel of {name}", "correct the name or the path")
    marker = read_marker(condition) if condition.strip() else ""
    kept = tuple(sorted({canonicalize_name(extra) for extra in extras}))
    wheel = LocalWheel(name=name, version=version, file=file, extras=kept, marker=marker, path=path, line=line)
    return wheel, options


def wheel_name(filename: str) -> tuple[str, str]:
    """Give name and version that a wheel's file name says; `LineFaultError` where it is none."""
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError):
        advice = "give the file its own name back: NAME-VERSION-TAGS.whl"
        raise LineFaultError(f"{filename:.120} is not a wheel's name", advice) from None
    return name, str(version)


def split_extras(address: str) -> tuple[str, list[str]]:
    """Take the extras from behind an address."""
    found = _EXTRAS.fullmatch(address)
    return (found[1], _words(found[2])) if found else (address, [])


def read_marker(text: str) -> str:
    """Give an environment marker in packaging's spelling; `LineFaultError` of what is none."""
    try:
        return str(Marker(text))
    except (InvalidMarker, RecursionError):
        raise LineFaultError(f"{text.strip():.80} is no environment marker", "correct it, or leave it out") from None


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not _EXTRA.fullmatch(word):
            raise LineFaultError(f"{word!r:.120} is no extra's name", "correct what stands in brackets")
    return words
