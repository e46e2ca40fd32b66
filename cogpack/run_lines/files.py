"""mkdir, echo, printf, chmod and ln are known as far as all shells and POSIX agree on them (XCU 3; coreutils)."""

import posixpath
import re

from cogpack.run_lines.arguments import NotKnownError, Table
from cogpack.run_lines.effects import Effect, Link, MakeDirectories, SetMode, WriteText
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.site import Site

_MKDIR = Table("mkdir", "-p --parents\n-v --verbose\n! -m --mode= the mode is not the usual one")
_CHMOD = Table("chmod", "-v --verbose\n-c --changes\n-f --quiet\n! -R --recursive what lies below is not known")
_LN = Table(
    "ln",
    """
    -s --symbolic
    -f --force
    -v --verbose
    -n --no-dereference
    -T --no-target-directory
    ! -r --relative where the link leads depends on other links
    """,
)

_UMASK = 0o022
_OCTAL = re.compile(r"[0-7]{1,4}")
_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwx]*)")
_WHO = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}
_WHAT = {"r": 0o444, "w": 0o222, "x": 0o111}
_FORMAT = re.compile(r"%s|%%|\\[nt\\]|[^%\\]+")
_ESCAPES = {"%%": "%", "\\n": "\n", "\\t": "\t", "\\\\": "\\"}


def mkdir(command: Command, site: Site) -> tuple[Effect, ...]:
    options = _MKDIR.read(command.words[1:])
    if not options.operands:
        raise NotKnownError("mkdir names no directory")
    made = tuple(site.path(command, operand, kind="directory") for operand in options.operands)
    return (MakeDirectories(paths=made, parents=options.has("--parents")),)


def echo(command: Command, site: Site) -> tuple[Effect, ...]:
    words = command.words[1:]
    newline = "\n"
    if words[:1] == ("-n",):
        words, newline = words[1:], ""
    if words and re.fullmatch(r"-[neE]+", words[0]):
        raise NotKnownError(f"echo {words[0]} is not the same in all shells")
    text = " ".join(words)
    if "\\" in text:
        raise NotKnownError("echo of a backslash is not the same in all shells")
    return _written(command, site, text + newline)


def printf(command: Command, site: Site) -> tuple[Effect, ...]:
    if len(command.words) < 2 or command.words[1].startswith("-"):
        raise NotKnownError("printf has no format")
    form, values = command.words[1], list(command.words[2:])
    pieces = _FORMAT.findall(form)
    if "".join(pieces) != form:
        raise NotKnownError("of printf's formats only %s, %%, \\n, \\t and \\\\ are known")
    text = ""
    while True:
        left = len(values)
        for piece in pieces:
            text += (values.pop(0) if values else "") if piece == "%s" else _ESCAPES.get(piece, piece)
        if not values or len(values) == left:
            return _written(command, site, text)


def nothing(command: Command, site: Site) -> tuple[Effect, ...]:
    """Read true and the colon, which change nothing, whatever their arguments."""
    return _written(command, site, "")


def versions(command: Command, site: Site) -> tuple[Effect, ...]:
    """Give the files that the shell makes of versions behind a > that is not quoted, without what is written there."""
    return _written(command, site, "")


def _written(command: Command, site: Site, text: str) -> tuple[Effect, ...]:
    effects = []
    for output in command.outputs:
        if output.path != "/dev/null":
            place = site.path(command, output.path)
            if output.path.endswith("/") or place in site.directories:
                raise NotKnownError(f"{place} is a directory")
            last = output is command.outputs[-1]
            effects.append(WriteText(path=place, text=text if last else "", append=output.append))
    return tuple(effects)


def chmod(command: Command, site: Site) -> tuple[Effect, ...]:
    options = _CHMOD.read(command.words[1:])
    if len(options.operands) < 2:
        raise NotKnownError("chmod names no file")
    mode, *names = options.operands
    effects = []
    for name in names:
        path = site.path(command, name)
        if path not in site.files:
            raise NotKnownError(f"no known line before it has made {path}")
        effects.append(SetMode(path=path, mode=_changed(mode, site.files[path])))
    return tuple(effects)


def _changed(mode: str, before: int) -> int:
    """Compute a file's mode as chmod(1) changes it under a build step's umask."""
    if _OCTAL.fullmatch(mode):
        return int(mode, 8)
    for clause in mode.split(","):
        if not (match := _CLAUSE.fullmatch(clause)):
            raise NotKnownError(f"{mode} is not among the modes that are known")
        who = sum(_WHO[each] for each in set(match[1])) if "a" not in match[1] else 0o777
        bits = sum(_WHAT[each] for each in set(match[3])) & (who or 0o777 & ~_UMASK)
        if match[2] == "+":
            before |= bits
        elif match[2] == "-":
            before &= ~bits
        else:
            before = (before & ~(who or 0o777)) | bits
    return before


def ln(command: Command, site: Site) -> tuple[Effect, ...]:
    options = _LN.read(command.words[1:])
    if not options.has("--symbolic"):
        raise NotKnownError("a hard link")
    if len(options.operands) != 2 or not all(options.operands):
        raise NotKnownError("ln is known only with a target and the link's path")
    target, name = options.operands
    path = site.path(command, name, kind="link")
    plain = options.has("--no-target-directory")
    if not plain and (name.endswith("/") or path in site.directories):
        return (_link(site, command, target, posixpath.join(path, posixpath.basename(target)), options.has("--force")),)
    if options.has("--no-dereference") and not plain:
        raise NotKnownError("ln -n, where the path may be a link")
    link = _link(site, command, target, path, options.has("--force"))
    return (Link(target=link.target, path=link.path, replace=link.replace, inside=not plain),)


def _link(site: Site, command: Command, target: str, path: str, force: bool) -> Link:
    if not posixpath.basename(target) or posixpath.basename(target) in (".", ".."):
        raise NotKnownError(f"a link to {target}, which names no file")
    return Link(target=target, path=site.path(command, path, kind="link"), replace=force, inside=False)
