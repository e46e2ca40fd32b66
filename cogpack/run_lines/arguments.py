"""A program's arguments are taken apart by the guidelines of POSIX (XBD 12.2) and GNU's long options.

Options may stand after operands, as getopt_long(3) and optparse allow; a long option is read only in full. What a
program's table doesn't name is `NotKnownError`: what an option does is not guessed.
"""

from collections.abc import Mapping, Sequence

import msgspec


class NotKnownError(Exception):
    """Raised where what a command does isn't known here; it doesn't leave this package."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Arguments(msgspec.Struct, frozen=True):
    """Holds what arguments say: by each option's long name its values, in order (a flag's are empty), and operands."""

    values: Mapping[str, tuple[str, ...]]
    operands: tuple[str, ...]

    def has(self, name: str) -> bool:
        return name in self.values

    def all(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    def last(self, name: str, default: str = "") -> str:
        return self.values[name][-1] if name in self.values else default


class Table:
    """Names the options of a program that are understood.

    `text` has a line an option, all its names: "-o --output=" takes a value, "-L --location" none; a "!" before them is
    an option that is known and refused, with what follows them as the reason. `equals`: `--output=VALUE` is one word
    with its value, as for all programs but curl.
    """

    def __init__(self, program: str, text: str, *, equals: bool = True) -> None:
        self.program = program
        self.equals = equals
        self.valued: set[str] = set()
        self.refused: dict[str, str] = {}
        self.names: dict[str, str] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            names = [word for word in line.lstrip("!").split() if word.startswith("-")]
            long = names[-1].rstrip("=")
            if names[-1].endswith("="):
                self.valued.add(long)
            if line.startswith("!"):
                self.refused[long] = " ".join(word for word in line[1:].split() if not word.startswith("-"))
            self.names |= {name.rstrip("="): long for name in names}

    def read(self, arguments: Sequence[str]) -> Arguments:
        """Take arguments apart, or raise `NotKnownError`."""
        values: dict[str, list[str]] = {}
        operands: list[str] = []
        waiting = list(arguments)
        while waiting:
            word = waiting.pop(0)
            if word == "--":
                operands += waiting
                break
            if not word.startswith("-") or word == "-":
                operands.append(word)
                continue
            written, equals, value = word.partition("=") if self.equals and word.startswith("--") else (word, "", "")
            if word not in self.names and not word.startswith("--"):
                written, value = word[:2], word[2:]
                if value and self._long(written) not in self.valued:
                    if value.startswith("-"):
                        raise NotKnownError(f"{word} of {self.program} is not known here")
                    waiting.insert(0, f"-{value}")
                    value = ""
            long = self._long(written)
            if long in self.refused:
                raise NotKnownError(f"{written} of {self.program}: {self.refused[long]}")
            if long not in self.valued:
                if equals:
                    raise NotKnownError(f"{written} of {self.program} takes no value")
            elif not equals and not value:
                if not waiting:
                    raise NotKnownError(f"{written} of {self.program} has no value")
                value = waiting.pop(0)
            values.setdefault(long, []).append(value)
        return Arguments({name: tuple(each) for name, each in values.items()}, tuple(operands))

    def _long(self, written: str) -> str:
        if written not in self.names:
            raise NotKnownError(f"{written} of {self.program} is not known here")
        return self.names[written]
