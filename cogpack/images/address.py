"""An address says where an image is or is to be, as the user writes it: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]`."""

from pathlib import Path
from typing import Self

import msgspec

from cogpack.disk import is_directory
from cogpack.errors import InputError
from cogpack.reference import Reference


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address is a `reference`, or a `directory` and perhaps the `name` of an entry in it; `text`: as written."""

    reference: Reference | None = None
    directory: Path = Path()
    name: str | None = None
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. A directory is what exists as one, or begins with a dot or a slash."""
        directory, _, name = text.partition(":")
        if directory in ("", "-"):  # `"$IMAGE"` of a variable that is not set; `-` of a stream
            raise InputError(f"expected an image, found {text!r:.300}", next_step="write HOST/NAME:TAG, or ./DIR")
        if is_directory(Path(text)):
            return cls(directory=Path(text), text=text)
        if text.startswith((".", "/")) or is_directory(Path(directory)) or _is_hidden(directory):
            return cls(directory=Path(directory), name=name or None, text=text)
        return cls(reference=Reference.parse(text), text=text)

    def __str__(self) -> str:
        return str(self.reference) if self.reference else self.text


def _is_hidden(path: str) -> bool:
    """Tell whether it is below a directory that this user may not search, and so perhaps is one."""
    try:
        Path(path).stat()
    except PermissionError:
        return is_directory(Path(path.partition("/")[0]))
    except (OSError, ValueError):
        pass
    return False
