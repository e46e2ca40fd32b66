"""Lines of requirements that name a wheel of the project: `./PATH`, or `NAME @ ./PATH` with the path as an address has
it (`LocalWheel`)."""

import re
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import parse_wheel_filename

_NAMED = re.compile(r"(\S+ @ )\./(\S+)")


def local_path(line: str) -> str | None:
    """Give the path of the wheel that a line names, if it names one."""
    if found := _NAMED.match(line):
        return unquote(found[2])
    return line[2:] if line.startswith("./") else None


def for_uv(line: str, root: Path) -> str:
    """Write such a line as `name @ file:...`, which has room for any character; any other as it is."""
    if (file := local_path(line)) is None:
        return line
    path = root / file
    found = _NAMED.match(line)
    before, behind = (found[1], line[found.end() :]) if found else (f"{parse_wheel_filename(path.name)[0]} @ ", "")
    return f"{before}{path.absolute().as_uri()}{behind}"
