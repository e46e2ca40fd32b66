"""Which programs a line of `build.run` begins commands with, of any line: `shell` reads few lines, and whole; this one
reads past what it does not know, and takes no text in quotes or in a comment for a command. A line is one: the config
refuses others, so there are no here-documents.

What runs only by another program's word (`ssh x make`, `python -c ...`) is not found.
"""

from collections.abc import Iterator

from cogpack.patterns import pattern

_FIRST = frozenset(
    {"!", "{", "do", "elif", "else", "env", "exec", "if", "nice", "nohup", "sudo", "then", "time", "timeout"}
    | {"until", "while", "xargs", "-exec", "-execdir"}
)
"""Words that a command follows: the shell's (XCU 2.4), programs that start what they are given, and options of find."""
_SHELLS = frozenset({"sh", "bash", "dash", "/bin/sh", "/bin/bash"})
_ASSIGNMENT = pattern(r"[A-Za-z_]\w*\+?=")
_OPTION = pattern(r"-.*|\d[\d.]*[smhd]?")
"""What is between a word of `_FIRST` and its command."""
_REDIRECT = pattern(r"\d*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?")
_IN_QUOTES = pattern(r'[^"\\$`]+')
_WORD = pattern(r"[^\s;&|<>()'\"\\$`]+")
_DEEPEST = 20
"""So many commands in one another are read."""


def begun(line: str) -> Iterator[str]:
    """Give the first word of each command, in their order, those of `$(...)` and of `sh -c` among them."""
    yield from _Reader(line, 0).commands()


class _Reader:
    """Walks through one line, once; it is `deep` in others."""

    def __init__(self, line: str, deep: int) -> None:
        self.line = line
        self.deep = deep
        self.at = 0
        self.inner = 0
        """So many brackets are open whose commands are read apart."""

    def below(self, text: str) -> Iterator[str]:
        """Read a text whose commands are run, too."""
        if self.deep < _DEEPEST:
            yield from _Reader(text, self.deep + 1).commands()

    def commands(self) -> Iterator[str]:
        """Read to the bracket that closes what was opened before, or to the last character."""
        words: list[str] = []
        opened = 0
        begins = True
        redirect = False
        while self.at < len(self.line):
            char = self.line[self.at]
            if matched := _REDIRECT.match(self.line, self.at):
                redirect = True
                self.at = matched.end()
            elif char in ";&|()":
                self.at += 1
                if char == ")" and not opened and self.inner:
                    return
                opened += (char == "(") - (char == ")")
                words, begins, redirect = [], True, False
            elif char.isspace():
                self.at += 1
            elif char == "#":
                return
            else:
                word, inner = self.word()
                yield from inner
                if redirect:
                    redirect = False
                elif begins and (word in _FIRST or _ASSIGNMENT.match(word)):
                    words.append(word)
                elif begins and words and _OPTION.fullmatch(word):
                    continue
                elif begins:
                    yield word
                    words, begins = [word], False
                elif word in _FIRST and word.startswith("-"):
                    words, begins = [word], True
                else:
                    if words[0] in _SHELLS and words[-1].startswith("-") and words[-1].endswith("c"):
                        yield from self.below(word)
                    words.append(word)

    def nested(self) -> list[str]:
        """Read what a bracket opened, and the one that closes it."""
        if self.deep == _DEEPEST:
            self.at = len(self.line)
            return []
        self.deep, self.inner = self.deep + 1, self.inner + 1
        found = list(self.commands())
        self.deep, self.inner = self.deep - 1, self.inner - 1
        return found

    def word(self) -> tuple[str, list[str]]:
        """Read one: its text without quotes, and the commands in it."""
        parts: list[str] = []
        inner: list[str] = []
        while self.at < len(self.line):
            char = self.line[self.at]
            if matched := _WORD.match(self.line, self.at):
                parts.append(matched.group())
                self.at = matched.end()
            elif char == "'":
                end = self._found("'", self.at + 1)
                parts.append(self.line[self.at + 1 : end])
                self.at = end + 1
            elif char == '"':
                self.at += 1
                self._quoted(parts, inner)
            elif char == "\\":
                parts.append(self.line[self.at + 1 : self.at + 2])
                self.at += 2
            elif char in "$`":
                self._expansion(parts, inner)
            elif char == "(" and parts and parts[-1].endswith("="):  # bash's arrays
                self.at += 1
                self.nested()
            else:
                break
        return "".join(parts), inner

    def _quoted(self, parts: list[str], inner: list[str]) -> None:
        while self.at < len(self.line):
            char = self.line[self.at]
            if matched := _IN_QUOTES.match(self.line, self.at):
                parts.append(matched.group())
                self.at = matched.end()
            elif char == '"':
                self.at += 1
                return
            elif char == "\\":
                parts.append(self.line[self.at + 1 : self.at + 2])
                self.at += 2
            else:
                self._expansion(parts, inner)

    def _expansion(self, parts: list[str], inner: list[str]) -> None:
        """Read what begins with a `$` or a backquote, whose value is known only where it runs."""
        parts.append("$")
        if self.line[self.at] == "`":
            end = self._found("`", self.at + 1)
            inner += self.below(self.line[self.at + 1 : end])
            self.at = end + 1
        elif self.line.startswith("$((", self.at):
            self.at = self._found("))", self.at) + 2
        elif self.line.startswith("$(", self.at):
            self.at += 2
            inner += self.nested()
        elif self.line.startswith("${", self.at):
            self.at = self._found("}", self.at) + 1
        else:
            self.at += 1

    def _found(self, text: str, at: int) -> int:
        found = self.line.find(text, at)
        return len(self.line) if found < 0 else found
