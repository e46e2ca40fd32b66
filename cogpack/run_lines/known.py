"""A line of `build.run` is read as a whole: all that it does is known, or nothing of it is."""

import re
from collections.abc import Mapping, Sequence

from cogpack.run_lines import downloads, files, git, hub
from cogpack.run_lines.arguments import NotKnownError
from cogpack.run_lines.effects import Effect, KnownStep, UnknownStep, settled
from cogpack.run_lines.expansion import Command, commands
from cogpack.run_lines.pip import pip
from cogpack.run_lines.shell import Refusal, RefusedError, parse
from cogpack.run_lines.site import Reader, Site

_BINARIES = ("/bin", "/usr/bin", "/usr/local/bin", "/opt/venv/bin")
_PYTHON = re.compile(r"python(?:3(?:\.[0-9]+)?)?")
_PIP = re.compile(r"pip(?:3(?:\.[0-9]+)?)?")
_READERS: Mapping[str, Reader] = {
    "curl": downloads.curl,
    "wget": downloads.wget,
    "pget": downloads.pget,
    "mkdir": files.mkdir,
    "echo": files.echo,
    "printf": files.printf,
    "true": files.nothing,
    ":": files.nothing,
    "chmod": files.chmod,
    "ln": files.ln,
    "git": git.git,
    "huggingface-cli": hub.command_line,
    "hf": hub.command_line,
}
_VERSION = re.compile(r"=[0-9]")
"""What is left of >=1.2 where a shell reads it as > and a file's name."""
_LIST_OF_WORDS = re.compile(r'\s*\[\s*(?:"(?:[^"\\]|\\.)*"(?:\s*,\s*(?=")|\s*(?=\])))*\]\s*')
_WRITE_TEXT = frozenset({"echo", "printf", "true", ":"})
_READ_VARIABLES = frozenset({"curl", "wget", "pget", "git"})
"""Programs that a variable of the line can change in too many ways."""

_SETTINGS: Mapping[str, Sequence[str]] = {
    "curl": (".curlrc", ".netrc"),
    "wget": (".wgetrc", "wgetrc", ".netrc"),
    "git": (".gitconfig", "gitconfig", "git/config", ".netrc"),
}
"""Files by which programs are told more than their arguments say."""


def without_cache_mounts(command: str) -> str:
    """Blank the flags of Dockerfile's RUN that only mount a cache: the image is the same without them, and what follows
    keeps its place in the line."""
    while match := re.match(r"\s*--mount=(\S+)(?=\s)", command):
        if "type=cache" not in match[1].split(","):
            break
        command = " " * match.end() + command[match.end() :]
    return command


def meaning(command: str, site: Site) -> KnownStep | UnknownStep:
    """Say what one line does at `site`."""
    line = without_cache_mounts(command)
    if line.lstrip().startswith("--"):
        return UnknownStep("a flag of Dockerfile's RUN that is more than a cache", line.split()[0])
    if _LIST_OF_WORDS.fullmatch(line):
        return UnknownStep("a list of words, which Dockerfile's RUN starts without a shell")
    script = parse(line)
    if isinstance(script, Refusal):
        return UnknownStep(str(script))
    effects: list[Effect] = []
    entries = set(site.entries)
    program = ""
    try:
        for each in commands(script, site.surroundings, entries):
            program = each.words[0]
            for effect in _effects(each, site):
                site = site.after(effect)
                entries |= site.below
                effects.append(effect)
    except RefusedError as refused:
        return UnknownStep(str(refused.refusal))
    except NotKnownError as unknown:
        return UnknownStep(unknown.reason, program)
    return KnownStep(settled(effects))


def _effects(command: Command, site: Site) -> Sequence[Effect]:
    folder, _, program = command.words[0].rpartition("/")
    if folder not in ("", *_BINARIES):
        raise NotKnownError(f"{command.words[0]} is no program of the image that is known here")
    if program != "pget":
        for path in (f"{place}/{program}" for place in _BINARIES):
            if path in site.files or path in site.links:
                raise NotKnownError(f"{path} may be another {program}")
    settings = tuple(f"/{name}" for name in _SETTINGS.get(program, ()))
    for path in site.made if settings else ():
        if path.endswith(settings):
            raise NotKnownError(f"{path} may change what {program} does")
    if program not in _WRITE_TEXT:
        for output in command.outputs:
            if output.path != "/dev/null" and not (_installs(program, command) and _VERSION.match(output.path)):
                raise NotKnownError(f"the shell writes its output into the file {output.path}")
    if program in _READ_VARIABLES and (names := command.assigned.keys() - git.VARIABLES):
        raise NotKnownError(f"{min(names)} is set, which may change what {program} does")
    if reader := _READERS.get(program):
        return reader(command, site)
    return _of_python(program, command, site)


def _installs(program: str, command: Command) -> bool:
    """Tell whether it is an installer of packages, whose output is nothing but what it did."""
    return bool(_PIP.fullmatch(program) or program in ("uv", "mim") or command.words[1:3] == ("-m", "pip"))


def _of_python(program: str, command: Command, site: Site) -> Sequence[Effect]:
    arguments = command.words[1:]
    if _PYTHON.fullmatch(program):
        _check_version(program.removeprefix("python"), site)
        match arguments:
            case ("-c", source):
                return hub.python(command, source, site)
            case ("-m", module, *rest):
                program, arguments = module, tuple(rest)
            case _:
                raise NotKnownError("what a program of Python does is not known here")
    elif _PIP.fullmatch(program):
        _check_version(program.removeprefix("pip"), site)
        program = "pip"
    versions = files.versions(command, site)
    match program, arguments:
        case "pip", _:
            return (*versions, *pip(command, arguments, site))
        case "uv", ("pip", *rest):
            return (*versions, *pip(command, rest, site, installer="uv"))
        case "mim", _:
            return (*versions, *pip(command, arguments, site, installer="mim"))
    raise NotKnownError(f"what {program} does is not known here")


def _check_version(version: str, site: Site) -> None:
    if version not in ("", "3", site.surroundings.python):
        raise NotKnownError(f"Python {version}, which may be another than the image's")
