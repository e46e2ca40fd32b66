"""A script's words become what the programs receive (XCU 2.6), where that is sure, in the order in which they run.

Each word gives one argument: what the shell would split, drop or find among the files is refused. A pattern that none
can match stays as it is, which is how `pip install NAME[extra]` reaches pip: where a line begins, the files are known.
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NoReturn

import msgspec

from cogpack.requirements.environment import MACHINES
from cogpack.run_lines.shell import Redirect, RefusedError, Script, SimpleCommand, Text, Tilde, Uname, Variable, Word
from cogpack.run_lines.surroundings import Surroundings


class Output(msgspec.Struct, frozen=True):
    """Says which file is made for a command's standard output, as written."""

    path: str
    append: bool


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one command as it is run: `words` with its name first, in `directory`.

    `assigned`: the variables that the line itself hands to it, by prefix or `export`. `at`: where in the line it
    begins. Of several `outputs` the last one gets it, the others are made.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    assigned: Mapping[str, str]
    directory: str
    outputs: tuple[Output, ...]
    at: int


_SHELLS_OWN = re.compile(
    r"_|PATH|IFS|HOME|PWD|OLDPWD|CDPATH|ENV|PS[0-9]|PPID|E?UID|LINENO|OPT(?:IND|ARG|ERR)|MAIL.*|HIST.*|BASH.*|SHELLOPTS"
    r"|RANDOM|SRANDOM|SECONDS|EPOCH.*|GROUPS|DIRSTACK|FUNCNAME|PIPESTATUS|HOST(?:NAME|TYPE)|MACHTYPE|OSTYPE|SHLVL"
    r"|POSIX.*|COMP.*|REPLY|COPROC|MAPFILE|FUNCNEST|GLOB.*|EXECIGNORE|FIGNORE|IGNOREEOF|INPUTRC|COLUMNS|LINES|TMOUT"
)
"""Variables that a shell makes itself, or that change how it reads and finds what follows (dash(1), bash(1))."""

_SPLITS = frozenset(" \t\n*?[")
_SPECIAL = frozenset(
    {"break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times", "trap"}
    | {"unset", ".", "source", ":", "cd", "umask", "alias", "unalias", "local", "declare", "typeset"}
)
"""Builtins that work on the shell itself (XCU 2.15 and more)."""


def commands(script: Script, surroundings: Surroundings, entries: Collection[str] | None = None) -> Iterator[Command]:
    """Give the commands in order, with `cd`, `export` and assignments done; raise `RefusedError` at what isn't sure.

    `entries`: what lies in the directory of the beginning, to which is added what the commands given so far have made.
    """
    shell = _Shell(surroundings, surroundings.entries if entries is None else entries)
    if shell.only_sets_variables(script):
        return
    for number, each in enumerate(script.lists, 1):
        for command in each:
            if (found := shell.run(command, last=number == len(script.lists))) is not None:
                yield found


class _Shell:
    """Stands for the shell that runs a line: its variables, and where it is."""

    def __init__(self, surroundings: Surroundings, entries: Collection[str]) -> None:
        self.surroundings = surroundings
        self.entries = entries
        self.values = {"HOME": "/root", **surroundings.environment}
        self.exported = set(self.values)
        self.assigned: dict[str, str] = {}
        self.directory = surroundings.directory

    def only_sets_variables(self, script: Script) -> bool:
        """Tell whether all of a line is exports and assignments that can't fail, whatever the values: they end with
        it."""
        splits = {name for name, value in self.values.items() if _SPLITS & set(value)}
        for command in (one for each in script.lists for one in each):
            exported = command.words[:1] == (Word((Text("export"),), command.at),)
            if command.redirects or (command.words and (command.assignments or not exported)):
                return False
            words = command.words[1:]
            if any(word.is_pattern or not _assigned_name(word) for word in words):
                return False
            if any(each.name != "PATH" and _SHELLS_OWN.fullmatch(each.name) for each in command.assignments):
                return False
            named = [(_assigned_name(word), word.parts) for word in words]
            for name, parts in (*named, *((each.name, each.value.parts) for each in command.assignments)):
                for part in parts:
                    if isinstance(part, Variable) and part.name in splits and not part.quoted:
                        return False
                    if (isinstance(part, Variable) and part.name in splits) or (
                        isinstance(part, Text) and _SPLITS & set(part.text)
                    ):
                        splits.add(name)
        return True

    def run(self, command: SimpleCommand, *, last: bool) -> Command | None:
        """Do what a command does to the shell, or give it as it is started."""
        words = tuple(map(self.expanded, command.words))
        assigned = self.assignments(command)
        if not words:
            self.values |= assigned
            self.assigned |= {name: value for name, value in assigned.items() if name in self.exported}
            return None
        if words[0] in _SPECIAL and assigned:
            _refuse(command, words[0], "shells disagree on a variable before this command")
        if words[0] == "cd":
            self.change_directory(command, words, last=last)
        elif words[0] == "export":
            self.export(command, words)
        elif words[0] in _SPECIAL and words[0] != ":":
            _refuse(command, words[0], "the shell itself is changed in a way that is not read here")
        else:
            own = self.assigned | assigned
            return Command(
                words=words,
                environment={name: self.values[name] for name in self.exported if name in self.values} | own,
                assigned=own,
                directory=self.directory,
                outputs=tuple(map(self.output, command.redirects)),
                at=command.at,
            )
        return None

    def assignments(self, command: SimpleCommand) -> dict[str, str]:
        found: dict[str, str] = {}
        for each in command.assignments:
            if _SHELLS_OWN.fullmatch(each.name):
                _refuse(command, each.name, "a variable that changes how the shell works")
            if any(isinstance(part, Variable) and part.name in found for part in each.value.parts):
                _refuse(command, each.name, "a variable made of one that is set beside it")
            found[each.name] = "".join(self.value(part, each.value, whole=True) for part in each.value.parts)
        return found

    def output(self, redirect: Redirect) -> Output:
        if redirect.target.is_pattern:
            _refuse(redirect.target, "", "the output's file is a pattern")
        return Output(self.expanded(redirect.target), redirect.append)

    def change_directory(self, command: SimpleCommand, words: tuple[str, ...], *, last: bool) -> None:
        if len(words) != 2 or not words[1] or words[1].startswith("-") or command.redirects:
            _refuse(command, "cd", "cd is read only with one directory")
        if not last:
            _refuse(command, "cd", "what follows the ; runs elsewhere when cd fails")
        if "CDPATH" in self.values:
            _refuse(command, "cd", "CDPATH says where cd leads")
        self.directory = posixpath.normpath(posixpath.join(self.directory, words[1])).replace("//", "/")
        if f"{self.directory}/".startswith(f"{self.surroundings.project}/"):
            _refuse(command, words[1], "the project's directory, which comes later")

    def export(self, command: SimpleCommand, words: tuple[str, ...]) -> None:
        if command.redirects:
            _refuse(command, "export", "export writes nothing")
        for word in words[1:]:
            name, equals, value = word.partition("=")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or _SHELLS_OWN.fullmatch(name):
                _refuse(command, name, "a variable that changes how the shell works, or none")
            if equals:
                self.values[name] = value
            self.exported.add(name)
            if name in self.values:
                self.assigned[name] = self.values[name]

    def expanded(self, word: Word) -> str:
        if word.is_pattern and self.directory != self.surroundings.directory:
            _refuse(word, "", "a pattern, where files may lie that match it")
        text = "".join(self.value(part, word, whole=False) for part in word.parts)
        if word.is_pattern and self.may_match(text):
            _refuse(word, text, "a pattern, for which the shell looks among the files")
        return text

    def may_match(self, pattern: str) -> bool:
        """Tell by the characters before the first special one whether a file may match."""
        if pattern.startswith(("/", ".")):
            return True
        begin = re.split(r"[*?\[/]", pattern, maxsplit=1)[0]
        if pattern[len(begin)] == "/":
            return begin in self.entries
        return any(entry.startswith(begin) for entry in self.entries)

    def value(self, part: Text | Variable | Uname | Tilde, word: Word, *, whole: bool) -> str:
        """Give a part's text; `whole`: the shell doesn't split it there."""
        match part:
            case Text(text):
                return text
            case Uname(option):
                return "Linux" if option == "s" else MACHINES[self.surroundings.architecture]
            case Tilde():
                return self.variable("HOME", word)
            case Variable(name, quoted):
                value = self.variable(name, word)
                if not (quoted or whole) and (not value or _SPLITS & set(value)):
                    _refuse(word, f"${name}", "the shell splits this value, or drops it")
                return value

    def variable(self, name: str, word: Word) -> str:
        if name == "PWD":
            return self.directory
        if (_SHELLS_OWN.fullmatch(name) and name not in ("PATH", "HOME")) or name not in self.values:
            _refuse(word, f"${name}", "a variable whose value is known only where the line runs")
        return self.values[name]


def _assigned_name(word: Word) -> str:
    """Give the name of what `export` assigns by a word, "" where it may not."""
    first = word.parts[0]
    if not isinstance(first, Text) or first.quoted or not (match := re.match(r"([A-Za-z_][A-Za-z0-9_]*)=", first.text)):
        return ""
    return match[1] if match[1] == "PATH" or not _SHELLS_OWN.fullmatch(match[1]) else ""


def _refuse(place: SimpleCommand | Word, found: str, why: str) -> NoReturn:
    raise RefusedError(place.at, found, why)
