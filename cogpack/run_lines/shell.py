"""A line of `build.run` is read by a strict subset of the shell's grammar (POSIX.1-2024, XCU 2): text in, tree out.

A `Script` is lists that follow one another (`;`, newline), of simple commands joined by `&&`, with `NAME=value` before
a command, `>` and `>>`, all three quotings, comments and continued lines. `$NAME`, `${NAME}`, a leading `~`,
`$(uname -s)` and `$(uname -m)` are in the tree as what they are. All else of the language is a `Refusal` with its
place: what is refused is run by a real shell, and what is read here means to dash and bash what it means to us.
"""

import re
from typing import Literal, NoReturn, TypeAlias

import msgspec


class Text(msgspec.Struct, frozen=True, tag=True):
    """Stands for characters as they are. Only those that are not `quoted` can be a pattern."""

    text: str
    quoted: bool = False


class Variable(msgspec.Struct, frozen=True, tag=True):
    """Stands for `$NAME` or `${NAME}`; not `quoted`, the shell would split its value and look for files by it."""

    name: str
    quoted: bool = False


class Uname(msgspec.Struct, frozen=True, tag=True):
    """Stands for `$(uname -s)` or `$(uname -m)`."""

    option: Literal["s", "m"]


class Tilde(msgspec.Struct, frozen=True, tag=True):
    """Stands for the `~` that a word begins with: the value of HOME."""


Part: TypeAlias = Text | Variable | Uname | Tilde


class Word(msgspec.Struct, frozen=True):
    """Is parts side by side; `at`: where it begins in the line, counted in characters from 0."""

    parts: tuple[Part, ...]
    at: int

    @property
    def is_pattern(self) -> bool:
        return any(isinstance(part, Text) and not part.quoted and set(part.text) & set("*?[") for part in self.parts)


class Assignment(msgspec.Struct, frozen=True):
    """Stands for `NAME=value` before a command, or for itself."""

    name: str
    value: Word


class Redirect(msgspec.Struct, frozen=True):
    """Stands for `>` or `>>` (`append`) of standard output."""

    target: Word
    append: bool


class SimpleCommand(msgspec.Struct, frozen=True):
    """Holds one simple command (XCU 2.9.1); without `words` it only assigns."""

    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    at: int


class Script(msgspec.Struct, frozen=True):
    """Holds a whole line: lists after one another, each of commands that run while the one before succeeds."""

    lists: tuple[tuple[SimpleCommand, ...], ...]


class Refusal(msgspec.Struct, frozen=True):
    """Says what of a line isn't read here: the characters `found` at `at`, and `why`."""

    at: int
    found: str
    why: str

    def __str__(self) -> str:
        return f"{self.why}: {self.found!r} at character {self.at + 1}"


class RefusedError(Exception):
    """Carries a `Refusal` out of the reading; it doesn't leave this package."""

    def __init__(self, at: int, found: str, why: str) -> None:
        super().__init__(why)
        self.refusal = Refusal(at, found, why)


def parse(line: str) -> Script | Refusal:
    """Read a line, all of it or nothing."""
    try:
        return _Reader(line).script()
    except RefusedError as refused:
        return refused.refusal


_BLANK = " \t"
_ENDS_WORD = frozenset(" \t\n;&|<>()")
_UNAME = re.compile(r"\$\([ \t]*uname[ \t]+-([sm])[ \t]*\)")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_APPENDED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+=")
_CONTROL = re.compile(r"[^\t\n\x20-\x7e\u00a1-\ud7ff\ue000-\U0010ffff]")
_SHOWN = re.compile(r"\S{1,24}")
_LITERAL_IN_QUOTES = re.compile(r'[^"$`\\]+')
_ESCAPED_IN_QUOTES = frozenset('$`"\\')

_RESERVED = frozenset(
    {"!", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then", "until", "while"}
    | {"[[", "]]", "coproc", "function", "namespace", "select", "time"}
)
"""XCU 2.4, and what bash adds."""

_OPERATORS = {
    "|": "pipes and || are not read here",
    "&": "a command in the background is not read here",
    "(": "subshells and functions are not read here",
    ")": "subshells and functions are not read here",
    "<": "input from a file or a here-document is not read here",
}


class _Reader:
    """Walks through one line, once."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.at = 0
        if control := _CONTROL.search(line):
            self.refuse("a control character", at=control.start())

    def refuse(self, why: str, *, at: int | None = None, found: str | None = None) -> NoReturn:
        at = self.at if at is None else at
        if found is None:
            shown = _SHOWN.match(self.line, at)
            found = shown.group() if shown else self.line[at : at + 1]
        raise RefusedError(at, found, why)

    def ahead(self, text: str) -> bool:
        return self.line.startswith(text, self.at)

    @property
    def here(self) -> str:
        return self.line[self.at : self.at + 1]

    def script(self) -> Script:
        lists: list[tuple[SimpleCommand, ...]] = []
        while True:
            self.skip(newlines=True)
            if not self.here:
                return Script(tuple(lists))
            lists.append(self.and_list())
            self.skip()
            if self.here == ";" and not self.ahead(";;"):
                self.at += 1
            elif self.here not in ("", "\n"):
                self.refuse("a command can't end here")

    def skip(self, *, newlines: bool = False) -> None:
        """Go past what separates words, past comments and past the ends of continued lines."""
        while self.here:
            if self.here in _BLANK or (newlines and self.here == "\n"):
                self.at += 1
            elif self.ahead("\\\n"):
                self.at += 2
                if self.here == "#":
                    self.refuse("a comment begins in a continued line")
            elif self.here == "#":
                end = self.line.find("\n", self.at)
                self.at = len(self.line) if end < 0 else end
            else:
                return

    def and_list(self) -> tuple[SimpleCommand, ...]:
        commands = [self.simple_command()]
        while self.ahead("&&"):
            self.at += 2
            self.skip(newlines=True)
            commands.append(self.simple_command())
        return tuple(commands)

    def simple_command(self) -> SimpleCommand:
        begin = self.at
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            self.skip()
            if self.here in ("", "\n", ";") or self.ahead("&&"):
                break
            if self.here in _OPERATORS:
                self.refuse(_OPERATORS[self.here])
            if self.here == ">":
                redirects.append(self.redirect())
                continue
            word = self.word()
            if self.here in "<>" and self.here and _is_number(word):
                if word.parts != (Text("1"),) or self.here == "<":
                    self.refuse("only standard output can be redirected", at=word.at)
                redirects.append(self.redirect())
            elif not words and (assignment := self.assignment(word)):
                assignments.append(assignment)
            else:
                if not words:
                    self.check_name(word)
                words.append(word)
        if not words and (redirects or not assignments):
            self.refuse("a command is missing")
        return SimpleCommand(tuple(assignments), tuple(words), tuple(redirects), begin)

    def redirect(self) -> Redirect:
        begin = self.at
        append = self.ahead(">>")
        self.at += 2 if append else 1
        if self.here and self.here in "&|(>":
            self.refuse("only > and >> to a file are read here", at=begin)
        self.skip()
        if not self.here or self.here in _ENDS_WORD:
            self.refuse("a file name is missing", at=begin)
        return Redirect(self.word(), append)

    def assignment(self, word: Word) -> Assignment | None:
        first = word.parts[0]
        if not isinstance(first, Text) or first.quoted:
            return None
        if _APPENDED.match(first.text):
            self.refuse("NAME+= is bash's alone", at=word.at)
        if not (match := _ASSIGNMENT.fullmatch(first.text)):
            return None
        rest = (Text(match[2]),) if match[2] else ()
        return Assignment(match[1], Word((*rest, *word.parts[1:]), word.at))

    def check_name(self, word: Word) -> None:
        match word.parts:
            case (Text(text, False),) if text in _RESERVED:
                self.refuse("the shell's own language, beyond lists of commands, is not read", at=word.at)
            case (Text(), *_) if not word.is_pattern and all(isinstance(part, Text) for part in word.parts):
                return
        self.refuse("the command's name is known only where it runs", at=word.at)

    def word(self) -> Word:
        begin = self.at
        parts: list[Part] = []
        while (char := self.here) and char not in _ENDS_WORD:
            if char == "'":
                end = self.line.find("'", self.at + 1)
                if end < 0:
                    self.refuse("a quotation is not closed")
                parts.append(Text(self.line[self.at + 1 : end], quoted=True))
                self.at = end + 1
            elif char == '"':
                parts += self.double_quoted()
            elif char == "\\":
                if self.ahead("\\\n"):
                    self.at += 2
                    continue
                if self.at + 1 == len(self.line):
                    self.refuse("the line ends in a backslash")
                parts.append(Text(self.line[self.at + 1], quoted=True))
                self.at += 2
            elif char == "$":
                parts.append(self.dollar(quoted=False))
            elif char == "`":
                self.refuse("a command's output is not read here")
            elif char in "{}":
                self.refuse("braces, which bash expands and dash does not")
            elif char == "~" and (tilde := self.tilde(parts)):
                parts.append(tilde)
            else:
                self.at += 1
                if parts and isinstance(last := parts[-1], Text) and not last.quoted:
                    parts[-1] = Text(last.text + char)
                else:
                    parts.append(Text(char))
        if not parts:
            self.refuse("nothing but a continued line", at=begin)
        return Word(tuple(parts), begin)

    def tilde(self, before: list[Part]) -> Tilde | None:
        match before:
            case []:
                after = self.line[self.at + 1 : self.at + 2]
                if after and after != "/" and after not in _ENDS_WORD:
                    self.refuse("another user's home")
                self.at += 1
                return Tilde()
            case [*_, Text(text, False)] if text.endswith(("=", ":")):
                self.refuse("a ~ that shells read differently")
        return None

    def double_quoted(self) -> list[Part]:
        begin = self.at
        parts: list[Part] = [Text("", quoted=True)]
        self.at += 1
        while self.here != '"':
            if not self.here:
                self.refuse("a quotation is not closed", at=begin)
            elif literal := _LITERAL_IN_QUOTES.match(self.line, self.at):
                parts.append(Text(literal.group(), quoted=True))
                self.at = literal.end()
            elif self.here == "$":
                parts.append(self.dollar(quoted=True))
            elif self.here == "`":
                self.refuse("a command's output is not read here")
            else:
                following = self.line[self.at + 1 : self.at + 2]
                if following in _ESCAPED_IN_QUOTES:
                    parts.append(Text(following, quoted=True))
                elif following != "\n":
                    parts.append(Text("\\" + following, quoted=True))
                self.at += 2
        self.at += 1
        return parts

    def dollar(self, *, quoted: bool) -> Part:
        if uname := _UNAME.match(self.line, self.at):
            self.at = uname.end()
            return Uname("s" if uname[1] == "s" else "m")
        if variable := _VARIABLE.match(self.line, self.at):
            self.at = variable.end()
            if self.ahead("\\\n") and variable[2]:
                self.refuse("a name in a continued line")
            return Variable(variable[1] or variable[2], quoted)
        if self.ahead("$(("):
            self.refuse("arithmetic is not read here")
        if self.ahead("$("):
            end = self.line.find(")", self.at)
            found = self.line[self.at : end + 1] if end > 0 else self.line[self.at :]
            self.refuse("a command's output is known only where it runs", found=found[:60])
        if self.ahead("${"):
            self.refuse("of expansions only ${NAME} is read here")
        self.refuse("a $ that is no variable's")


def _is_number(word: Word) -> bool:
    return all(isinstance(part, Text) and not part.quoted and part.text.isdecimal() for part in word.parts)
