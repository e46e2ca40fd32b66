"""The grammar reads a command line, and says what is wrong with one that it can't read: argparse, with help and errors
of our own.

An error is one line with the nearest name, and the next step. Help fits a screen of 80 columns and 24 lines: a command
lists its own options, and names those that it shares with others, which `cogpack help TOPIC` explains.
"""

import argparse
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from cogpack.errors import InputError

Add = Callable[..., object]
"""`ArgumentParser.add_argument`, as a topic gets it."""
Act = Callable[[argparse.Namespace], None]

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_LEFT = 30
"""The widest left column of a help page, in letters."""


class Acts:
    """Stands for a module of acts, `cogpack.cli.NAME`, which is loaded when one of them is run."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Act:
        act = NamedAct(f"cogpack.cli.{self._name}", name)
        setattr(self, name, act)
        return act


class NamedAct:
    """Is the act `name` of a module that need not be loaded yet."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, arguments: argparse.Namespace) -> None:
        getattr(import_module(self.module), self.name)(arguments)


class Topic(NamedTuple):
    """A group of options that mean the same in many commands; `add` makes them."""

    name: str
    text: str
    add: Callable[[Add], None]


class Grammar(argparse.ArgumentParser):
    """Reads one command, or a word with commands below it.

    `example`: a whole line that works, shown in the help and where an argument is missing. `minor`: a command that the
    list of all commands names in its last line only. `above`: the word that it stands behind. `wanted`: of the commands
    below it, the only one that will be read: it takes 1 ms to make, all of them 15.
    """

    wanted: str | None = None
    switches: Mapping[str, bool] = MappingProxyType({})
    """Options without a value, which may be written with one, as Go's flags are: true, or false, which is as if it were
    left out; but not of those without an effect (False), of which a note tells all the same."""

    def __init__(self, *, example: str = "", minor: bool = False, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False, exit_on_error=False)
        self.example = example
        self.minor = minor
        self.given: dict[str, str] = {}
        """Options without a value, each with the one that is meant where a JSON object stands behind it."""
        self.shared: dict[str, list[argparse.Action]] = {}
        self.above: Grammar | None = None
        self.commands: dict[str, Grammar] = {}
        self._adder: Any = None

    def command(
        self, name: str, text: str, act: Act | None = None, *, example: str = "", minor: bool = False
    ) -> "Grammar":
        """Add a command below this one; `text`: one sentence; `act`: what it does, of one without commands below it."""
        if self.wanted not in (None, name):
            return _Unasked()
        self._adder = self._adder or self.add_subparsers(title="commands", metavar="COMMAND", required=True)
        made: Grammar = self._adder.add_parser(name, help=text, description=text, example=example, minor=minor)
        if act:
            made.set_defaults(act=act)
        made.above = self
        self.commands[name] = made
        return made

    def share(self, *topics: Topic, without: Collection[str] = ()) -> None:
        """Take the options of `topics` but for those that mean nothing here."""
        for topic in topics:
            group = self.add_argument_group(topic.name, topic.text)
            made = self.shared.setdefault(topic.name, [])

            def add(*names: str, **settings: Any) -> None:
                if names[-1] not in without:
                    made.append(group.add_argument(*names, **settings))  # noqa: B023

            topic.add(add)

    def own(self) -> list[argparse.Action]:
        """Return all arguments but the shared ones, --help and the command."""
        shared = [action for actions in self.shared.values() for action in actions]
        kinds = (argparse._HelpAction, argparse._SubParsersAction)  # noqa: SLF001
        return [action for action in self._actions if action not in shared and not isinstance(action, kinds)]

    def options(self) -> Collection[str]:
        return self._option_string_actions.keys()

    def takes_value(self, option: str) -> bool:
        return self._option_string_actions[option].nargs != 0

    # What is wrong, in our words.

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words: list[str] = list(sys.argv[1:] if args is None else args)
        own = self._count_own(words)
        words = [*self._with_given(self._switched(words[:own])), *words[own:]]
        self._check(words)
        try:
            found, rest = super().parse_known_args(words, namespace)
        except argparse.ArgumentError as error:
            place = (error.argument_name or "").rpartition("/")[2] if "--" in (error.argument_name or "") else None
            place = place or error.argument_name
            self.error(f"{place}: {error.message}" if place else error.message)
        if rest and (many := [action for action in self.own() if action.nargs == "*" and not action.option_strings]):
            getattr(found, many[0].dest).extend(rest)  # argparse takes those before the next option only
            rest = []
        if rest:
            from cogpack.cli.suggestions import too_many

            raise too_many(self, rest[0])
        return found, rest

    def _count_own(self, words: Sequence[str]) -> int:
        """Count the words before `--`, a command, or the words of another program."""
        passes_on = bool(self.commands) or self._passes_on()
        value = False
        for at, word in enumerate(words):
            if word == "--" or (passes_on and not word.startswith("-") and not value):
                return at
            value = word in self.options() and self.takes_value(word)
        return len(words)

    def _passes_on(self) -> bool:
        return any(action.nargs == argparse.PARSER for action in self.own())

    def _switched(self, words: Sequence[str]) -> list[str]:
        """Take the values of switches off, as Go's strconv.ParseBool reads them; any other is left, and is an error."""
        found = []
        for word in words:
            name, equals, value = word.partition("=")
            on = _BOOLEANS.get(value) if equals and name in self.switches else None
            if on is None:
                found.append(word)
            elif on or not self.switches[name]:
                found.append(name)
        return found

    def _with_given(self, words: Sequence[str]) -> Iterator[str]:
        """Write `--json --inputs X` for `--json X` and `--json=X`, where X is an object, @FILE or -."""
        for at, word in enumerate(words):
            name, equals, value = word.partition("=")
            yield name if name in self.given and equals else word
            if name in self.given and (equals or (words[at + 1 : at + 2] and _is_given(words[at + 1]))):
                yield self.given[name]
                if equals:
                    yield value

    def _check(self, words: Sequence[str]) -> None:
        """Refuse the first word that is no option and no command of ours."""
        passes_on = self._passes_on()
        value = False
        for at, word in enumerate(words):
            if word == "--":
                return
            if passes_on and not word.startswith("-") and not value:
                return  # the rest is another program's
            value = passes_on and word in self.options() and self.takes_value(word)
            if self.commands and not word.startswith("-"):
                if word not in self.commands:
                    from cogpack.cli.suggestions import unknown_command

                    raise unknown_command(self, word)
                return
            name = word.partition("=")[0]
            if len(name) < 2 or name[0] != "-" or " " in name or name in self.options():
                continue
            double = f"-{name}"
            if name[:2] in self.options() and double not in self.options():  # -j4, -oDIR
                continue
            from cogpack.cli.suggestions import unknown_option

            raise unknown_option(self, name, words[at:])
        if self.commands and not {"-h", "--help", "--version"} & set(words):
            self.exit(2, self.format_help())

    def error(self, message: str) -> NoReturn:
        missing = message.removeprefix("the following arguments are required: ")
        one_of = message.removeprefix("one of the arguments ").removesuffix(" is required")
        if missing != message:
            said, advice = f"{self._explained(missing)} is missing", f"write, for example, {self.example}"
        elif one_of != message:
            names = [name.rpartition("/")[2] for name in one_of.split()]
            said, advice = f"one of {', '.join(names)} is missing", f"write, for example, {self.example}"
        else:
            said, advice = message, f"see {self.prog} --help"
        raise InputError(f"{self.prog}: {said}", next_step=advice)

    def _explained(self, missing: str) -> str:
        """Return the first missing argument as the help has it."""
        first = missing.split(", ")[0]
        for action in self._actions:
            if first in ("/".join(action.option_strings), action.metavar):
                names = action.option_strings[:1] or []
                return " ".join([*names, str(action.metavar)]) + (f" ({action.help})" if action.help else "")
        return first

    # Help.

    def format_usage(self) -> str:
        needed = [action for action in self.own() if action.required or not action.option_strings]
        words = [" ".join([*action.option_strings[:1], _metavar(action)]) for action in needed if action.option_strings]
        words += ["COMMAND ..."] if self.commands else ["[OPTIONS]"]
        for action in needed:
            if not action.option_strings:
                optional = action.nargs in ("?", "*")
                dots = "..." if action.nargs in ("+", "*", argparse.PARSER) else ""
                words.append(f"[{_metavar(action)}]{dots}" if optional else f"{_metavar(action)}{dots}")
        return f"usage: {self.prog} {' '.join(words)}\n"

    def format_help(self) -> str:
        lines = [self.format_usage().rstrip(), "", *_wrapped(self.description or "")]
        if self.example:
            lines += _wrapped(f"Example: {self.example}")
        own = [action for action in self.own() if action.help != argparse.SUPPRESS]
        if self.commands:
            minor = [name for name, command in self.commands.items() if command.minor]
            rows = [(name, command.description or "") for name, command in self.commands.items() if not command.minor]
            lines += ["", *table(rows), *(f"  {line}" for line in _wrapped(", ".join(minor), indent=2))]
        elif own:
            lines += ["", *table((_left(action), action.help or "") for action in own)]
        named = [
            (f"{topic}:", ", ".join(action.option_strings[0] for action in made)) for topic, made in self.shared.items()
        ]
        if named:
            lines += ["", f"Options of many commands (help {'|'.join(self.shared)}):", *table(named)]
        if self.epilog:
            lines += ["", *_wrapped(self.epilog)]
        return "\n".join(lines) + "\n"


class _Unasked(Grammar):
    """Stands for a command that is not read: whatever it is told of itself, it keeps nothing."""

    def __init__(self) -> None:
        pass

    def _heard(self, *_: Any, **__: Any) -> Any:
        return self

    add_argument = add_mutually_exclusive_group = command = set_defaults = share = _heard


def _is_given(word: str) -> bool:
    return word.lstrip().startswith(("{", "@")) or word == "-"


def topic_page(topic: Topic) -> str:
    """Return the help of one topic: its options, each with its sentence."""
    page = Grammar(prog="cogpack", add_help=False)
    page.share(topic)
    rows = table((_left(action), action.help or "") for action in page.shared[topic.name])
    return "\n".join([*_wrapped(topic.text), "", *rows]) + "\n"


def table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Lay out two columns, the right one wrapped to the terminal; a left word that is too wide has a line of its
    own."""
    listed = list(rows)
    width = _width()
    left = max((len(name) for name, _ in listed if len(name) <= _LEFT), default=0)
    lines = []
    for name, text in listed:
        if len(name) > left:
            lines.append(f"  {name}".rstrip())
            name = ""
            if not text:
                continue
        folded = textwrap.wrap(text, max(20, width - left - 4), break_on_hyphens=False) or [""]
        lines.append(f"  {name:<{left}}  {folded[0]}".rstrip())
        lines += [f"{'':{left + 4}}{more}" for more in folded[1:]]
    return lines


def _wrapped(text: str, *, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, _width() - indent, break_on_hyphens=False, break_long_words=False)


def _width() -> int:
    import shutil

    return min(100, shutil.get_terminal_size().columns)


def _metavar(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper()) if action.nargs != 0 else ""


def _left(action: argparse.Action) -> str:
    names = action.option_strings
    if not names:
        return _metavar(action)
    short = f"{names[0]}, " if len(names) > 1 else "    "
    return f"{short}{names[-1]} {_metavar(action)}".rstrip()
