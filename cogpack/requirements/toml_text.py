"""TOML is read with the lines where things stand, which the parser does not tell."""

import re
from typing import Any, NoReturn

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cogpack import toml
from cogpack.errors import InputError
from cogpack.requirements.model import Selection


class Line(msgspec.Struct, frozen=True):
    """Is a line of a requirements file that says the same as the line `number` of another file."""

    text: str
    number: int


class TomlText:
    """Holds a file and what it says."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self._text = text
        self._counted = (0, 1)
        try:
            self.document: dict[str, Any] = toml.decode(text)
        except (ValueError, RecursionError) as error:  # of TOML, or of a number with thousands of digits
            raise InputError(f"{path}: not valid TOML: {error!s:.200}", next_step="correct the file") from error

    def fail(self, problem: str, next_step: str, number: int = 0) -> NoReturn:
        where = f"{self.path}:{number}" if number else self.path
        raise InputError(f"{where}: {problem}", next_step=next_step)

    def number(self, value: str) -> int:
        """Tell the line of a text, by how it is quoted; 1 where it is written in another way."""
        found = min((at for quote in "\"'" if (at := self._text.find(f"{quote}{value}{quote}")) >= 0), default=0)
        return self._line(found)

    def packages(self) -> dict[str, int]:
        """Give the line of each package's name, of those that stand in tables of their own."""
        found = re.finditer(r"^name = \"([^\"]+)\"", self._text, re.MULTILINE)
        return {match[1]: self._line(match.start()) for match in found}

    def _line(self, at: int) -> int:
        start, number = self._counted if self._counted[0] <= at else (0, 1)
        number += self._text.count("\n", start, at)
        self._counted = at, number
        return number

    def check_python(self, wanted: Any, selection: Selection) -> None:
        """Refuse a file that is for other Pythons than the image's; any patch level will do."""
        try:
            fits = wanted is None or SpecifierSet(str(wanted)).contains(f"{selection.python}.999")
        except InvalidSpecifier:
            self.fail(f"requires-python: {wanted!s:.80} is no version specifier", "correct it")
        if not fits:
            self.fail(
                f"requires-python is {wanted!s:.80}, and the image has Python {selection.python}",
                "write another build.python_version into cog.yaml",
            )

    def check_selection(self, selection: Selection, *, extras: set[str], groups: set[str]) -> None:
        """Refuse extras and groups that are not there."""
        for kind, asked, known in (
            ("extras", selection.extras, extras),
            ("dependency_groups", selection.groups, groups),
        ):
            if lacking := sorted(set(asked) - known):
                has = f"it has {', '.join(sorted(known))}" if known else "it has none"
                self.fail(f"cogpack.{kind}: {lacking[0]} is not there; {has}", f"correct cogpack.{kind} in cog.yaml")
