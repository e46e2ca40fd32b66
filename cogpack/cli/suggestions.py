"""This module answers to a command or an option that does not exist: with the nearest one, or what other tools call
it."""

import argparse
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, Self

from cogpack.errors import InputError

_RUN = ("exec runs a command in the project's container", "cogpack exec CMD")
_PUSH = ("push does that", "cogpack push HOST/NAME:TAG")
_PULL = ("pull does that", "cogpack pull HOST/NAME:TAG -o DIR, or --docker")
_LOCK = ("what is installed stands in the requirements", "change requirements.txt, then cogpack lock")
_LIST = ("cogpack keeps no list of images", "docker images, or cogpack inspect HOST/NAME:TAG")
_COPY = ("copy gives an image another name", "cogpack copy HOST/NAME:OLD HOST/NAME:NEW")
_SAVE = ("build writes files", "cogpack build -o FILE.tar, or cogpack pull REF -o FILE.tar")
_LOOK = ("inspect describes images", "cogpack inspect HOST/NAME:TAG, with --json for programs")
_DELETE = ("cogpack deletes nothing from registries", "use the registry's own interface")
_CHECK = ("schema reads the predictor, plan the whole project", "cogpack schema, then cogpack plan")

COMMANDS = {
    "start": _RUN, "test": _RUN,
    "new": ("init writes a project", "cogpack init DIR"), "create": ("init writes a project", "cogpack init DIR"),
    "debug": ("any command takes -v", "run it again with -vv"), "logs": ("any command takes -v", "run it with -vv"),
    "images": _LIST, "tags": _LIST, "list": _LIST, "ls": _LIST, "catalog": _LIST, "search": _LIST, "ps": _LIST,
    "tag": _COPY, "cp": _COPY, "mv": _COPY, "retag": _COPY, "mirror": _COPY, "sync": _COPY, "promote": _COPY,
    "rm": _DELETE, "rmi": _DELETE, "delete": _DELETE, "remove": _DELETE,
    "deploy": _PUSH, "publish": _PUSH, "upload": _PUSH, "release": _PUSH,
    "download": _PULL,
    "install": _LOCK, "add": _LOCK, "update": _LOCK, "upgrade": _LOCK, "compile": _LOCK, "freeze": _LOCK,
    "save": _SAVE, "tarball": _SAVE, "bundle": _SAVE, "pack": _SAVE, "package": _SAVE, "make": _SAVE,
    "import": ("load puts the image into Docker", "cogpack load"),
    "manifest": _LOOK, "config": _LOOK, "digest": _LOOK, "show": _LOOK, "describe": _LOOK, "info": _LOOK,
    "validate": _CHECK, "check": _CHECK, "lint": _CHECK, "dry-run": _CHECK,
    "migrate": ("doctor --fix writes anew what is old in cog.yaml", "cogpack doctor --fix"),
    "playground": ("serve has a page to try the model with", "cogpack serve --playground"),
    "whoami": ("auth explain says who you are to a registry", "cogpack auth explain HOST"),
}  # fmt: skip
"""Words of cog, docker, uv, crane and skopeo: what is so here, and the next step."""

ANSWERS = {
    "cogpack weights list": ("ls shows them", "cogpack weights ls"),
    "cogpack weights show": ("ls shows them", "cogpack weights ls"),
    "cogpack auth login": ("it stands by itself", "cogpack login HOST"),
    "cogpack auth logout": ("it stands by itself", "cogpack logout HOST"),
    "cogpack schema --json": ("what it prints is JSON", "leave out --json"),
    "cogpack weights status": ("ls shows them, and verify looks at those of an image", "cogpack weights ls"),
    "cogpack weights inspect": ("verify looks at those of an image", "cogpack weights verify REF"),
    "cogpack weights build": ("lock pins them, and push stores them with the image", "cogpack lock"),
    "cogpack weights import": ("lock pins them, and push stores them with the image", "cogpack lock"),
    "cogpack weights push": ("push stores them with the image", "cogpack push HOST/NAME:TAG --weights-only"),
    "cogpack login -p": ("arguments can be read by others", "give --password-stdin, and it on standard input"),
    "cogpack login --registry": ("the registry is an argument", "cogpack login HOST"),
    "cogpack build --dockerfile": ("there is no Dockerfile", "cogpack plan shows what an image is made of"),
    "cogpack build --timestamp": ("images have one time, or the lock's", "SOURCE_DATE_EPOCH=N cogpack lock"),
    "cogpack train --use-replicate-token": ("only predictions have a context", "-e REPLICATE_API_TOKEN"),
    "cogpack run -c": ("commands are run by exec", "cogpack exec CMD"),
    "cogpack run -p": ("commands are run by exec, and models served by serve", "cogpack exec CMD, or cogpack serve"),
    "cogpack serve --playground-port": ("its port is any free one, and told", "cogpack serve --playground"),
    "cogpack registry serve --storage": ("the directory is an argument", "cogpack registry serve DIR"),
    "cogpack push --fast": ("layers that are there are never sent", "leave it out"),
    "cogpack push --x-localimage": ("the image goes into Docker by load", "cogpack load"),
    "cogpack lock --locked": ("it is --check here, which writes nothing", "cogpack lock --check"),
}
"""Where one command has an answer of its own."""

OPTIONS = {
    "--frozen": "--locked", "--force": "--rebuild", "--no-cache-dir": "--rebuild",
    "--insecure": "--insecure-registry", "--plain-http": "--insecure-registry", "--tls-verify": "--insecure-registry",
    "--insecure-skip-tls-verify": "--insecure-registry", "--destination": "HOST/NAME[:TAG] as an argument",
    "--repository": "HOST/NAME[:TAG] as an argument", "--image": "HOST/NAME[:TAG] as an argument",
    "--silent": "--quiet", "--log-level": "--verbose", "--loglevel": "--verbose",
    "--all": "--all-platforms", "--os": "--platform", "--arch": "--platform",
    "--concurrency": "--jobs", "--threads": "--jobs", "--parallel": "--jobs", "--dest": "--output",
    "--chdir": "--directory", "--project": "--directory", "--workdir": "--directory", "--config": "--file",
    "--dryrun": "--dry-run", "--name": "--tag", "--mirror": "--registry-mirror",
    "--password": "--password-stdin", "--latest": "--upgrade",
}  # fmt: skip
"""Options of other tools, each with ours."""

_NAMED = 3
"""Commands that are named of those that have an option."""


class Command(Protocol):
    """What is asked of a command, or a word with commands below it, to find what stands near to a wrong word.

    `above`: the word that it is a command of; None of `cogpack` itself.
    """

    prog: str
    above: Self | None

    @property
    def commands(self) -> Mapping[str, Self]: ...
    def own(self) -> Iterable[argparse.Action]: ...
    def options(self) -> Collection[str]: ...
    def takes_value(self, option: str) -> bool: ...


def unknown_command(parser: Command, word: str) -> InputError:
    said = f"{parser.prog} {word}: no such command"
    lower = word.lower()
    nested = [f"{name} {lower}" for name, below in parser.commands.items() if lower in below.commands]
    if lower in parser.commands or nested:
        return _meant(parser, said, [lower] if lower in parser.commands else nested)
    if answer := ANSWERS.get(f"{parser.prog} {lower}") or (COMMANDS.get(lower) if parser.prog == "cogpack" else None):
        return InputError(f"{said}; {answer[0]}", next_step=answer[1])
    return _meant(parser, said, near(lower, parser.commands))


def _meant(parser: Command, said: str, names: list[str]) -> InputError:
    if not names:
        return InputError(said, next_step=f"see {parser.prog} --help for those that there are")
    return InputError(f"{said}; did you mean {' or '.join(names)}?", next_step=f"see {parser.prog} {names[0]} --help")


def too_many(parser: Command, word: str) -> InputError:
    """Return the error of a word too many. In older Cogs, `run` is what `exec` is here."""
    said = f"{parser.prog}: {word!r} is one argument too many"
    if parser.prog == "cogpack run":
        return InputError(f"{said}; commands are run by exec", next_step="cogpack exec CMD")
    return InputError(said, next_step=f"see {parser.prog} --help")


def unknown_option(parser: Command, name: str, words: Sequence[str] = ()) -> InputError:
    """Return the error of an option that there is not. `words`: the option and what stands behind it."""
    said = f"{parser.prog}: no option {name}"
    see = f"see {parser.prog} --help"
    if answer := ANSWERS.get(f"{parser.prog} {name}"):
        return InputError(f"{said}; {answer[0]}", next_step=answer[1])
    known = [option for option in parser.options() if option.startswith("--")]
    close = [option for option in known if option == f"-{name}"] or near(name.lower(), known)
    ours = OPTIONS.get(name, "")
    if ours in known or (ours and not ours.startswith("--") and any("HOST" in str(a.metavar) for a in parser.own())):
        return InputError(f"{said}; here it is {ours}", next_step=see)
    if close:
        return InputError(f"{said}; did you mean {' or '.join(close)}?", next_step=see)
    if parser.commands and (below := [command for command in _below(parser) if name in command.options()]):
        return InputError(f"{said}; it goes behind the command", next_step=f"write {_behind(parser, below, words)}")
    return _of_others(parser, name, ours) or InputError(said, next_step=see)


def _of_others(parser: Command, name: str, ours: str) -> InputError | None:
    """Return the error of an option, or of one that looks like it, which other commands have and this one has not."""
    top = parser
    while top.above is not None:
        top = top.above
    every = {option: None for command in _below(top) for option in command.options() if option.startswith("--")}
    alike = near(
        name.lower().lstrip("-"), [option.lstrip("-") for option in every]
    )  # what all begin with tells nothing
    meant = next((option for option in (name, ours, *(f"--{word}" for word in alike)) if option in every), None)
    if meant is None:
        return None
    owners = [command.prog for command in _below(top) if meant in command.options()]
    said = f"{parser.prog}: no option {name}"
    if parser.commands:
        return InputError(f"{said}; did you mean {meant}, behind the command?", next_step=f"see {owners[0]} --help")
    listed = ", ".join(prog.removeprefix(f"{top.prog} ") for prog in owners[:_NAMED])
    listed += " and others" if len(owners) > _NAMED else ""
    told = f"that is one of {listed}" if meant == name else f"{meant} is one of {listed}"
    return InputError(f"{said}; {told}", next_step=f"leave it out, or see {parser.prog} --help")


def _behind(parser: Command, below: list[Command], words: Sequence[str]) -> str:
    """Return the same line with the option and its value behind the command, as far as one was named that takes it."""
    option, *rest = words
    taken = 1 if "=" not in option and below[0].takes_value(option) else 0
    moved, rest = [option, *rest[:taken]], rest[taken:]
    for depth in (2, 1):
        command = " ".join([parser.prog, *rest[:depth]])
        if len(rest) >= depth and command in [one.prog for one in below]:
            return f"{command} {shlex.join([*moved, *rest[depth:]])}"
    return f"{below[0].prog} ... {shlex.join(moved)}"


def _below(parser: Command) -> Iterator[Command]:
    for command in parser.commands.values():
        yield command
        yield from _below(command)


def near(word: str, names: Iterable[str]) -> list[str]:
    """Return names that begin with `word`, else those that look like it; two at most."""
    begun = [name for name in names if len(word) > 2 and name.startswith(word)]
    import difflib

    return begun[:2] or difflib.get_close_matches(word, list(names), n=1, cutoff=0.7)
