"""Where something stands in a `cog.yaml`."""

from typing import NamedTuple


class Place(NamedTuple):
    """Is a place as messages begin with it: `cog.yaml:3:5`. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
